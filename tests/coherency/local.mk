# SPDX-License-Identifier: MIT
# All paths to one disk at once, judged by vbdverify; `make check-coherency` is
# the long run.
COHERENCY_TESTS = \
	%D%/one-truth-over-all-paths.sh \
	%D%/a-power-cut-loses-nothing-that-was-flushed.sh \
	%D%/bugs-are-caught-and-explained.sh
TESTS += $(COHERENCY_TESTS)
dist_check_SCRIPTS += $(COHERENCY_TESTS)
EXTRA_DIST += %D%/lib.sh

check-coherency: all $(check_PROGRAMS)
	VBDD_COHERENCY_LONG=1 $(MAKE) check-TESTS TESTS="$(COHERENCY_TESTS)"
.PHONY: check-coherency
