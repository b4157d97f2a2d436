# SPDX-License-Identifier: MIT
bin_PROGRAMS += vbdctl
vbdctl_SOURCES = %D%/vbdctl/main.c %D%/vbdctl/ask.c %D%/vbdctl/watch.c \
	%D%/vbdctl/print.c %D%/vbdctl/stats.c %D%/vbdctl/features.c \
	%D%/vbdctl/emulated.c \
	%D%/vbdctl/table.c %D%/vbdctl/table.h %D%/vbdctl/vbdctl.h
vbdctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
vbdctl_LDADD = libhost.a $(JANSSON_LIBS)
