# SPDX-License-Identifier: MIT
# The control plane. What can be tested without a store is in the library.
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_SOURCES = %D%/cgroups.c %D%/cgroups.h %D%/config.c %D%/config.h %D%/front.c %D%/front.h \
	%D%/percentile.c %D%/percentile.h %D%/target.c %D%/target.h \
	%D%/text.c %D%/text.h %D%/units.c %D%/units.h
libsupervisor_a_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS)

sbin_PROGRAMS += vbdd
vbdd_SOURCES = %D%/backend.c %D%/backend.h %D%/command.c %D%/command.h \
	%D%/control.c %D%/control.h %D%/disk.c %D%/disk.h %D%/domain.c \
	%D%/domain.h %D%/door.c %D%/door.h %D%/emulated.c %D%/emulated.h \
	%D%/events.c %D%/events.h \
	%D%/features.c %D%/features.h %D%/find.c %D%/gather.c %D%/gather.h \
	%D%/hold.c %D%/hold.h %D%/lease.c %D%/lease.h \
	%D%/hotplug.c %D%/hotplug.h %D%/loglevel.c %D%/main.c %D%/marker.c \
	%D%/marker.h %D%/nbd.c %D%/nbd.h %D%/node.c %D%/node.h %D%/offered.c %D%/options.c \
	%D%/options.h %D%/resize.c %D%/sharing.c %D%/sharing.h %D%/show.c \
	%D%/state.c %D%/state.h %D%/stats.c %D%/store.c %D%/store.h \
	%D%/supervisor.h %D%/toolstack.c %D%/vbd.c %D%/vbd.h %D%/waiter.h \
	%D%/worker.c %D%/worker.h %D%/xentop.c %D%/xentop.h \
	backend/control/message.h backend/control/xentop.h
vbdd_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS) $(JANSSON_CFLAGS) \
	$(SYSTEMD_CFLAGS)
vbdd_LDADD = libsupervisor.a libdomain.a libplatform.a libblkif.a \
	liblocal.a libstorage.a libhost.a $(EV_LIBS) $(XEN_LIBS) \
	$(XENCONTROL_LIBS) $(XENSTORE_LIBS) $(JANSSON_LIBS) \
	$(INIH_LIBS) $(SYSTEMD_LIBS)
