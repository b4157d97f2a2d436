# SPDX-License-Identifier: MIT
# The verification kit.
verify_tests = %D%/stamp %D%/verify-check %D%/verify-image \
	%D%/verify-brute
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
