# SPDX-License-Identifier: MIT
# Power cuts of a whole disk: a log of what reached it, cut at every flush.
check_PROGRAMS += %D%/logreplay
%C%_logreplay_SOURCES = %D%/logreplay.c
CRASH_TESTS = %D%/a-log-is-cut-at-every-flush.sh
TESTS += $(CRASH_TESTS)
dist_check_SCRIPTS += $(CRASH_TESTS)
EXTRA_DIST += %D%/make-log.pl
