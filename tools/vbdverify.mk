# SPDX-License-Identifier: MIT
# vbdverify: the verification kit. The checker is pure, and its tests' own.
noinst_LIBRARIES += libverify.a
libverify_a_SOURCES = %D%/vbdverify/operation.h %D%/vbdverify/check.h \
	%D%/vbdverify/private.h %D%/vbdverify/check.c \
	%D%/vbdverify/sector.c %D%/vbdverify/explain.c %D%/vbdverify/image.c

bin_PROGRAMS += vbdverify
vbdverify_SOURCES = %D%/vbdverify/main.c %D%/vbdverify/vbdverify.h \
	%D%/vbdverify/run.c %D%/vbdverify/load.c %D%/vbdverify/data.c \
	%D%/vbdverify/history.c %D%/vbdverify/history.h \
	%D%/vbdverify/judge.c %D%/vbdverify/report.c %D%/vbdverify/path.h \
	%D%/vbdverify/path_ring.c %D%/vbdverify/path_nbd.c \
	%D%/vbdverify/path_raw.c %D%/vbdverify/path_int13.c \
	%D%/options/options.c %D%/options/options.h \
	%D%/guest/guest.c %D%/guest/guest.h
vbdverify_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
vbdverify_LDADD = libverify.a libstamp.a libportlocal.a \
	libporthosted.a libvbdfront.a \
	liblocal.a libengine.a libstorage.a libhost.a $(XENSTORE_LIBS) $(AIO_LIBS) \
	$(LIBNBD_LIBS)
