# SPDX-License-Identifier: MIT
# The verification kit.
verify_tests = %D%/stamp
check_PROGRAMS += $(verify_tests)
TESTS += $(verify_tests)
%C%_stamp_SOURCES = %D%/stamp.c %D%/tap.h
%C%_stamp_LDADD = libstamp.a
