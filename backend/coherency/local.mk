# SPDX-License-Identifier: MIT
# The only door to a disk; once more with bugs that tests can switch on.
coherency_sources = %D%/bug.h %D%/client.c %D%/coherency.c %D%/coherency.h \
	%D%/discard.c %D%/flush.c %D%/part.c %D%/list.h %D%/merge.c \
	%D%/range.c %D%/range.h %D%/range_tree.c %D%/range_tree.h \
	%D%/request.c %D%/request.h

EXTRA_DIST += docs/COHERENCY.md
noinst_LIBRARIES += libcoherency.a
libcoherency_a_SOURCES = $(coherency_sources)

check_LIBRARIES += libcoherency-test.a
libcoherency_test_a_SOURCES = $(coherency_sources) %D%/bug.c
libcoherency_test_a_CPPFLAGS = $(AM_CPPFLAGS) -DCOHERENCY_BUGS
