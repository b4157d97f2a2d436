# SPDX-License-Identifier: MIT
# vbdverify: the verification kit. The checker is pure, and its tests' own.
noinst_LIBRARIES += libverify.a
libverify_a_SOURCES = %D%/vbdverify/operation.h %D%/vbdverify/check.h \
	%D%/vbdverify/private.h %D%/vbdverify/check.c \
	%D%/vbdverify/sector.c %D%/vbdverify/explain.c %D%/vbdverify/image.c
