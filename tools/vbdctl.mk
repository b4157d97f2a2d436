# SPDX-License-Identifier: MIT
bin_PROGRAMS += vbdctl
vbdctl_SOURCES = %D%/vbdctl.c %D%/vbdctl-print.c %D%/vbdctl.h
vbdctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
vbdctl_LDADD = libhost.a $(JANSSON_LIBS)
