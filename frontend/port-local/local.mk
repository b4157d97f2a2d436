# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libportlocal.a
libportlocal_a_SOURCES = %D%/port-local.c %D%/port-local.h
libportlocal_a_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
