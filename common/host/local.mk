# SPDX-License-Identifier: MIT
# What every hosted program needs and no library has: log, packets with fds, the names of virtual disks.
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = %D%/cgroup.c %D%/cgroup.h %D%/log.c %D%/log.h %D%/packet.c %D%/packet.h %D%/socket.c \
	%D%/socket.h \
	%D%/vdev.c %D%/vdev.h
