# SPDX-License-Identifier: MIT
# What Linux says of block devices and files, and who has them in use.
noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = %D%/blockdev.c %D%/blockdev.h %D%/devices.c \
	%D%/holders.c %D%/holders.h %D%/locks.c %D%/mounts.c \
	%D%/page_cache.c %D%/processes.c %D%/search.c %D%/search.h \
	%D%/sysfs.c %D%/sysfs.h
