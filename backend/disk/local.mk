# SPDX-License-Identifier: MIT
# The worker: one process for each disk, the data plane.
pkglibexec_PROGRAMS += vbdd-disk
vbdd_disk_SOURCES = %D%/main.c %D%/worker.h %D%/loop.c %D%/control.c \
	%D%/vbd.c %D%/vbd.h %D%/pause.c %D%/hold.c %D%/flush.c %D%/flush.h \
	%D%/ringio.c %D%/transfer.c %D%/transfer.h \
	%D%/persistent.c %D%/persistent.h %D%/latency.h \
	%D%/pool.c %D%/pool.h %D%/target.c %D%/target.h \
	%D%/claim.c %D%/claim.h %D%/locks.c %D%/locks.h %D%/node.c %D%/node.h \
	%D%/cache.c %D%/cache.h %D%/refusal.c %D%/refusal.h \
	%D%/privileges.c %D%/privileges.h %D%/xentop.c %D%/xentop.h \
	%D%/nbd/nbd.h %D%/nbd/private.h %D%/nbd/server.c %D%/nbd/connection.c \
	%D%/nbd/negotiate.c %D%/nbd/receive.c %D%/nbd/execute.c \
	%D%/nbd/extents.c %D%/nbd/reply.c %D%/nbd/event.c
vbdd_disk_LDADD = libnbdproto.a libplatform.a libcoherency.a libengine.a \
	libblkif.a liblocal.a libstorage.a libhost.a $(XEN_LIBS) $(AIO_LIBS) \
	$(EV_LIBS) -lpthread
# The same with a bug in its coherency layer; VBDD_COHERENCY_BUG says which.
check_PROGRAMS += vbdd-disk-bugs
vbdd_disk_bugs_SOURCES = $(vbdd_disk_SOURCES)
vbdd_disk_bugs_CPPFLAGS = $(AM_CPPFLAGS) -DCOHERENCY_BUGS
vbdd_disk_bugs_LDADD = libnbdproto.a libplatform.a libcoherency-test.a \
	libengine.a libblkif.a liblocal.a libstorage.a libhost.a $(XEN_LIBS) \
	$(AIO_LIBS) $(EV_LIBS) -lpthread
# The NBD protocol as pure functions, for the worker, its tests and the fuzzer.
noinst_LIBRARIES += libnbdproto.a
libnbdproto_a_SOURCES = %D%/nbd/handshake.c %D%/nbd/handshake.h \
	%D%/nbd/request.c %D%/nbd/request.h %D%/nbd/wire.h
