# SPDX-License-Identifier: MIT
# The worker.
DISK_TESTS = disk-pool disk-target disk-claims disk-ring disk-faults \
	disk-fail-stop disk-hostile disk-resize disk-indirect disk-grants \
	disk-queues disk-pause disk-hold disk-persistent disk-flood disk-answers \
	disk-reads disk-xentop
check_PROGRAMS += $(DISK_TESTS)
TESTS += $(DISK_TESTS)
disk_pool_SOURCES = %D%/disk-pool.c backend/disk/pool.c
target_parts = %D%/target-rig.h backend/disk/target.c backend/disk/claim.c \
	backend/disk/locks.c backend/disk/node.c backend/disk/cache.c \
	backend/disk/refusal.c
disk_target_SOURCES = %D%/disk-target.c $(target_parts)
disk_target_LDADD = libstorage.a libhost.a
disk_claims_SOURCES = %D%/disk-claims.c $(target_parts)
disk_claims_LDADD = $(disk_target_LDADD)
disk_ring_SOURCES = %D%/disk-ring.c %D%/disk-rig.h %D%/disk-guest.h
# messages are passed by value here; this runs on an ordinary stack
disk_ring_CFLAGS = $(AM_CFLAGS) -Wframe-larger-than=65536
disk_ring_LDADD = libblkif.a liblocal.a libhost.a
disk_faults_SOURCES = %D%/disk-faults.c %D%/disk-rig.h %D%/disk-guest.h
disk_faults_CFLAGS = $(disk_ring_CFLAGS)
disk_faults_LDADD = $(disk_ring_LDADD)
disk_fail_stop_SOURCES = %D%/disk-fail-stop.c %D%/disk-rig.h %D%/disk-guest.h
disk_fail_stop_CFLAGS = $(disk_ring_CFLAGS)
disk_fail_stop_LDADD = $(disk_ring_LDADD)
EXTRA_disk_fail_stop_DEPENDENCIES = vbdd-disk vbdd-local
EXTRA_disk_faults_DEPENDENCIES = vbdd-disk vbdd-local
EXTRA_disk_ring_DEPENDENCIES = vbdd-disk vbdd-local
disk_hostile_SOURCES = %D%/disk-hostile.c %D%/disk-rig.h %D%/disk-guest.h
disk_hostile_CFLAGS = $(disk_ring_CFLAGS)
disk_hostile_LDADD = $(disk_ring_LDADD) -lpthread
EXTRA_disk_hostile_DEPENDENCIES = vbdd-disk vbdd-local
disk_resize_SOURCES = %D%/disk-resize.c %D%/disk-rig.h
disk_resize_CFLAGS = $(disk_ring_CFLAGS)
disk_resize_LDADD = $(disk_ring_LDADD)
EXTRA_disk_resize_DEPENDENCIES = vbdd-disk vbdd-local
disk_indirect_SOURCES = %D%/disk-indirect.c %D%/disk-rig.h %D%/disk-guest.h
disk_indirect_CFLAGS = $(disk_ring_CFLAGS)
disk_indirect_LDADD = $(disk_ring_LDADD)
EXTRA_disk_indirect_DEPENDENCIES = vbdd-disk vbdd-local
disk_grants_SOURCES = %D%/disk-grants.c %D%/disk-rig.h %D%/disk-guest.h
disk_grants_CFLAGS = $(disk_ring_CFLAGS)
disk_grants_LDADD = $(disk_ring_LDADD)
EXTRA_disk_grants_DEPENDENCIES = vbdd-disk vbdd-local
disk_queues_SOURCES = %D%/disk-queues.c %D%/disk-rig.h %D%/disk-guest.h
disk_queues_CFLAGS = $(disk_ring_CFLAGS)
disk_queues_LDADD = $(disk_ring_LDADD)
EXTRA_disk_queues_DEPENDENCIES = vbdd-disk vbdd-local
disk_pause_SOURCES = %D%/disk-pause.c %D%/disk-rig.h %D%/disk-guest.h
disk_pause_CFLAGS = $(disk_ring_CFLAGS)
disk_pause_LDADD = $(disk_ring_LDADD)
EXTRA_disk_pause_DEPENDENCIES = vbdd-disk vbdd-local
disk_hold_SOURCES = %D%/disk-hold.c %D%/disk-rig.h %D%/disk-guest.h
disk_hold_CFLAGS = $(disk_ring_CFLAGS)
disk_hold_LDADD = $(disk_ring_LDADD)
EXTRA_disk_hold_DEPENDENCIES = vbdd-disk vbdd-local
disk_persistent_SOURCES = %D%/disk-persistent.c backend/disk/persistent.c
disk_flood_SOURCES = %D%/disk-flood.c %D%/disk-rig.h %D%/disk-guest.h \
	%D%/process.h
disk_flood_CFLAGS = $(disk_ring_CFLAGS)
disk_flood_LDADD = $(disk_ring_LDADD) -lpthread
EXTRA_disk_flood_DEPENDENCIES = vbdd-disk vbdd-local
disk_answers_SOURCES = %D%/disk-answers.c %D%/disk-rig.h %D%/disk-guest.h
disk_answers_CFLAGS = $(disk_ring_CFLAGS)
disk_answers_LDADD = $(disk_ring_LDADD)
EXTRA_disk_answers_DEPENDENCIES = vbdd-disk vbdd-local
disk_xentop_SOURCES = %D%/disk-xentop.c backend/disk/xentop.c %D%/tap.h
disk_reads_SOURCES = %D%/disk-reads.c backend/disk/ringio.c \
	backend/disk/transfer.c backend/disk/persistent.c backend/disk/pool.c \
	backend/disk/xentop.c
disk_reads_LDADD = libblkif.a libhost.a $(EV_LIBS)
