# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libvdev.a
libvdev_a_SOURCES = %D%/vdev.c %D%/vdev.h

bin_PROGRAMS += vbdctl
vbdctl_SOURCES = %D%/vbdctl.c %D%/vbdctl-print.c %D%/vbdctl.h
vbdctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
vbdctl_LDADD = $(JANSSON_LIBS)
