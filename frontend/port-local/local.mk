# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libportlocal.a
libportlocal_a_SOURCES = %D%/port-local.c %D%/port-local.h %D%/pages.c \
	%D%/pages.h
libportlocal_a_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
