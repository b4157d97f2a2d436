# SPDX-License-Identifier: MIT
# vbdfront: a guest's disk from the command line.
bin_PROGRAMS += vbdfront
vbdfront_SOURCES = %D%/vbdfront/main.c %D%/vbdfront/cli.h \
	%D%/options/options.c %D%/options/options.h %D%/vbdfront/disk.c \
	%D%/guest/guest.c %D%/guest/guest.h \
	%D%/vbdfront/platform.c %D%/vbdfront/profile.c %D%/vbdfront/profile.h \
	%D%/vbdfront/file.c %D%/vbdfront/stream.c %D%/vbdfront/progress.c \
	%D%/vbdfront/info.c %D%/vbdfront/read.c %D%/vbdfront/write.c \
	%D%/vbdfront/flush.c %D%/vbdfront/barrier.c \
	%D%/vbdfront/discard.c %D%/vbdfront/copy.c \
	%D%/vbdfront/verify.c %D%/vbdfront/bench.c %D%/vbdfront/histogram.c \
	%D%/vbdfront/histogram.h
EXTRA_DIST += docs/vbdfront.pod
vbdfront_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
vbdfront_LDADD = libstamp.a $(port_linux_libs) libportlocal.a libporthosted.a \
	libvbdfront.a liblocal.a libhost.a $(port_linux_deps) \
	$(XENSTORE_LIBS) $(JANSSON_LIBS)
