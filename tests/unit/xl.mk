# SPDX-License-Identifier: MIT
# What is written for xl, read by xl's own parser.
if WITH_XLUTIL
check_PROGRAMS += %D%/xl-examples
TESTS += %D%/xl-examples
%C%_xl_examples_SOURCES = %D%/xl-examples.c %D%/tap.h
%C%_xl_examples_CFLAGS = $(AM_CFLAGS) $(XLUTIL_CFLAGS)
%C%_xl_examples_LDADD = libsupervisor.a libhost.a $(INIH_LIBS) $(XLUTIL_LIBS)
endif
