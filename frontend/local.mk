# SPDX-License-Identifier: MIT
# The driver, with all of the protocol that it needs: a guest links this one
# library. Freestanding, and without what wants a libc (stack protector,
# fortify), so that the same objects go into a kernel.
lib_LIBRARIES += libvbdfront.a
libvbdfront_a_SOURCES = \
	%D%/front.c %D%/negotiate.c %D%/disk.c %D%/store.c %D%/plan.c \
	%D%/discard.c %D%/queue.c %D%/segment.c %D%/pool.c %D%/text.c \
	%D%/unplug.c %D%/publish.c %D%/resume.c \
	%D%/pages.c %D%/pages.h %D%/private.h \
	common/blkif/ring.c common/blkif/abi.c common/blkif/abi.h \
	common/blkif/status.c common/blkif/xenbus.c common/blkif/error.h
libvbdfront_a_CFLAGS = $(WARN_CFLAGS) $(CORE_CFLAGS) $(SAN_CFLAGS) \
	-ffreestanding -fPIE -fno-stack-protector

vbdfrontincludedir = $(includedir)/vbdfront
vbdfrontinclude_HEADERS = %D%/vbdfront.h %D%/habits.h %D%/port.h %D%/unplug.h
