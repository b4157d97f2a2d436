# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libporthosted.a
libporthosted_a_SOURCES = %D%/port-hosted.c %D%/port-hosted.h
libporthosted_a_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
