# SPDX-License-Identifier: MIT
# What every hosted program needs and no library has: log, packets with fds,
# the names of virtual disks, whether the kernel serves them.
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = %D%/blkback.c %D%/blkback.h %D%/cgroup.c %D%/cgroup.h \
	%D%/journal.c %D%/journal.h %D%/log.c %D%/log.h %D%/packet.c \
	%D%/packet.h %D%/socket.c %D%/socket.h \
	%D%/vdev.c %D%/vdev.h
