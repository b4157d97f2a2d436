# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libporthosted.a
libporthosted_a_SOURCES = %D%/port-hosted.c %D%/port-hosted.h %D%/pages.c \
	%D%/pages.h
libporthosted_a_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
