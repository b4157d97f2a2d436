# SPDX-License-Identifier: MIT
bin_PROGRAMS += vbdctl
vbdctl_SOURCES = %D%/vbdctl/main.c %D%/vbdctl/ask.c %D%/vbdctl/watch.c \
	%D%/vbdctl/print.c %D%/vbdctl/stats.c %D%/vbdctl/features.c \
	%D%/vbdctl/emulated.c %D%/vbdctl/metrics.c \
	%D%/vbdctl/doctor.c %D%/vbdctl/doctor.h %D%/vbdctl/doctor_holders.c \
	%D%/vbdctl/doctor_print.c %D%/vbdctl/doctor_vbdd.c \
	%D%/vbdctl/doctor_verdict.c \
	%D%/vbdctl/table.c %D%/vbdctl/table.h %D%/vbdctl/vbdctl.h
vbdctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
vbdctl_LDADD = libstorage.a libhost.a $(JANSSON_LIBS)
