# SPDX-License-Identifier: MIT
# The supervisor.
check_PROGRAMS += supervisor-fake-worker
supervisor_fake_worker_SOURCES = %D%/supervisor-fake-worker.c
supervisor_fake_worker_LDADD = libhost.a

supervisor_rig = %D%/supervisor-rig.c %D%/supervisor-rig.h %D%/tap.h
supervisor_rig_cflags = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(XENSTORE_CFLAGS)
supervisor_rig_libs = libvdev.a liblocal.a libhost.a $(JANSSON_LIBS) \
	$(XENSTORE_LIBS)

check_PROGRAMS += supervisor-states
TESTS += supervisor-states
supervisor_states_SOURCES = %D%/supervisor-states.c $(supervisor_rig)
supervisor_states_CFLAGS = $(supervisor_rig_cflags)
supervisor_states_LDADD = $(supervisor_rig_libs)

check_PROGRAMS += supervisor-disks
TESTS += supervisor-disks
supervisor_disks_SOURCES = %D%/supervisor-disks.c $(supervisor_rig)
supervisor_disks_CFLAGS = $(supervisor_rig_cflags)
supervisor_disks_LDADD = $(supervisor_rig_libs)
