# SPDX-License-Identifier: MIT
# Power cuts of a whole disk: a log of what reached it, cut at every flush.
check_PROGRAMS += %D%/logreplay
%C%_logreplay_SOURCES = %D%/logreplay.c
CRASH_TESTS = %D%/a-log-is-cut-at-every-flush.sh \
	%D%/what-a-cut-has-left-is-judged.sh
TESTS += $(CRASH_TESTS)
dist_check_SCRIPTS += $(CRASH_TESTS)
EXTRA_DIST += %D%/make-log.pl %D%/layout.sh %D%/power-load %D%/judge-linux

# vbdverify for the lab's guests.
check_PROGRAMS += %D%/vbdverify-raw
%C%_vbdverify_raw_SOURCES = %D%/other-paths.c \
	tools/vbdverify/main.c tools/vbdverify/run.c tools/vbdverify/load.c \
	tools/vbdverify/data.c tools/vbdverify/history.c \
	tools/vbdverify/judge.c tools/vbdverify/report.c \
	tools/vbdverify/path_raw.c tools/options/options.c
%C%_vbdverify_raw_LDADD = libverify.a libstamp.a libengine.a libstorage.a \
	libhost.a $(AIO_LIBS)
