# SPDX-License-Identifier: MIT
# The worker.
DISK_TESTS = disk-pool disk-target disk-ring
check_PROGRAMS += $(DISK_TESTS)
TESTS += $(DISK_TESTS)
disk_pool_SOURCES = %D%/disk-pool.c backend/disk/pool.c
disk_target_SOURCES = %D%/disk-target.c backend/disk/target.c
disk_ring_SOURCES = %D%/disk-ring.c %D%/disk-rig.h
# messages are passed by value here; this runs on an ordinary stack
disk_ring_CFLAGS = $(AM_CFLAGS) -Wframe-larger-than=65536
disk_ring_LDADD = libblkif.a liblocal.a libhost.a
EXTRA_disk_ring_DEPENDENCIES = vbdd-disk vbdd-local
