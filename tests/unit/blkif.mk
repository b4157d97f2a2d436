# SPDX-License-Identifier: MIT
# The protocol core. The accesses of libblkif-watched.a to shared memory go
# through the test, which counts them, or decides their outcome.
blkif_tests = %D%/blkif-abi %D%/blkif-ring %D%/blkif-reads \
	%D%/blkif-wakeup %D%/blkif-wrap %D%/blkif-threads \
	%D%/blkif-validate %D%/blkif-xenbus %D%/blkif-status
check_PROGRAMS += $(blkif_tests)
TESTS += $(blkif_tests)

check_LIBRARIES += %D%/libblkif-watched.a
%C%_libblkif_watched_a_SOURCES = common/blkif/abi.c common/blkif/ring.c
%C%_libblkif_watched_a_CPPFLAGS = $(AM_CPPFLAGS) -DRING_ACCESS_BY_TEST
%C%_libblkif_watched_a_CFLAGS = $(AM_CFLAGS) $(CORE_CFLAGS) -ffreestanding

%C%_blkif_abi_SOURCES = %D%/blkif-abi.c %D%/blkif-layout.h %D%/tap.h
%C%_blkif_abi_LDADD = libblkif.a
%C%_blkif_ring_SOURCES = %D%/blkif-ring.c %D%/tap.h
%C%_blkif_ring_LDADD = libblkif.a
%C%_blkif_reads_SOURCES = %D%/blkif-reads.c %D%/tap.h
%C%_blkif_reads_LDADD = %D%/libblkif-watched.a
%C%_blkif_wakeup_SOURCES = %D%/blkif-wakeup.c %D%/tap.h
%C%_blkif_wakeup_LDADD = %D%/libblkif-watched.a
%C%_blkif_wrap_SOURCES = %D%/blkif-wrap.c %D%/tap.h
%C%_blkif_wrap_LDADD = libblkif.a
%C%_blkif_threads_SOURCES = %D%/blkif-threads.c %D%/tap.h
%C%_blkif_threads_CFLAGS = $(AM_CFLAGS) -pthread
%C%_blkif_threads_LDADD = libblkif.a
%C%_blkif_validate_SOURCES = %D%/blkif-validate.c %D%/tap.h
%C%_blkif_validate_LDADD = libblkif.a
%C%_blkif_xenbus_SOURCES = %D%/blkif-xenbus.c %D%/tap.h
%C%_blkif_xenbus_LDADD = libblkif.a
%C%_blkif_status_SOURCES = %D%/blkif-status.c %D%/tap.h
%C%_blkif_status_LDADD = libblkif.a
