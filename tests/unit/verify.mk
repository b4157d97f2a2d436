# SPDX-License-Identifier: MIT
# The verification kit.
verify_tests = %D%/stamp %D%/verify-check %D%/verify-image \
	%D%/verify-brute %D%/verify-run
check_PROGRAMS += $(verify_tests)
TESTS += $(verify_tests)
%C%_stamp_SOURCES = %D%/stamp.c %D%/tap.h
%C%_stamp_LDADD = libstamp.a

verify_libs = libverify.a libhost.a
%C%_verify_check_SOURCES = %D%/verify-check.c %D%/verify-rig.h %D%/tap.h
%C%_verify_check_LDADD = $(verify_libs)
%C%_verify_image_SOURCES = %D%/verify-image.c %D%/verify-rig.h %D%/tap.h
%C%_verify_image_LDADD = $(verify_libs)
%C%_verify_brute_SOURCES = %D%/verify-brute.c %D%/verify-rig.h %D%/tap.h
%C%_verify_brute_LDADD = $(verify_libs)

# The whole tool but its command line and its real paths.
%C%_verify_run_SOURCES = %D%/verify-run.c %D%/tap.h \
	tools/vbdverify/run.c tools/vbdverify/load.c tools/vbdverify/data.c \
	tools/vbdverify/history.c tools/vbdverify/judge.c \
	tools/vbdverify/report.c tools/options/options.c
%C%_verify_run_LDADD = libverify.a libstamp.a libhost.a

# For tests/func/verify-over-all-paths.sh.
check_PROGRAMS += %D%/verify-agent
%C%_verify_agent_SOURCES = %D%/verify-agent.c
%C%_verify_agent_LDADD = libhost.a
