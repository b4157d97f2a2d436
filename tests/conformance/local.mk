# SPDX-License-Identifier: MIT
# The conformance table: our front end against our back end.
check_PROGRAMS += %D%/conformance
TESTS += %D%/conformance
conformance_parts = %D%/conformance.h %D%/disk.c %D%/data.c %D%/steps.c \
	tests/unit/tap.h
%C%_conformance_SOURCES = %D%/table.c %D%/world.c %D%/agreed.c \
	$(conformance_parts) tests/unit/supervisor-rig.c \
	tests/unit/supervisor-rig.h
%C%_conformance_CFLAGS = $(supervisor_rig_cflags)
%C%_conformance_LDADD = libstamp.a libportlocal.a libporthosted.a \
	libvbdfront.a libblkif.a $(supervisor_rig_libs)
# events are counted by their port
%C%_conformance_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=local_event_take
EXTRA_%C%_conformance_DEPENDENCIES = vbdd vbdd-disk vbdd-local

# And against any, in a guest of Xen's (tests/lab).
if WITH_XEN
check_PROGRAMS += %D%/conformance-guest
%C%_conformance_guest_SOURCES = %D%/guest.c $(conformance_parts)
%C%_conformance_guest_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS)
%C%_conformance_guest_LDADD = libstamp.a libportlinux.a libporthosted.a \
	libvbdfront.a libhost.a $(port_linux_deps)
%C%_conformance_guest_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=xenevtchn_pending

# The same where there is no Xen.
check_PROGRAMS += %D%/conformance-in-process
%C%_conformance_in_process_SOURCES = $(%C%_conformance_guest_SOURCES) \
	%D%/guest-devices.c
%C%_conformance_in_process_CFLAGS = $(%C%_conformance_guest_CFLAGS)
%C%_conformance_in_process_LDADD = libstamp.a libportlinux.a \
	libporthosted.a libvbdfront.a liblocal.a libhost.a -lxentoollog \
	$(XENSTORE_LIBS)
%C%_conformance_in_process_LDFLAGS = \
	$(%C%_conformance_guest_LDFLAGS) -Wl,--wrap=mremap,--wrap=mmap
TESTS += %D%/in-a-guest-without-xen.sh
endif
dist_check_SCRIPTS += %D%/in-a-guest-without-xen.sh
