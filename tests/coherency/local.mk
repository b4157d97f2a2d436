# SPDX-License-Identifier: MIT
# One disk over all its paths at once. `make check` has a glance of it,
# `make check-coherency` the whole.
COHERENCY_TESTS = \
	%D%/one-truth-over-all-paths.sh \
	%D%/a-power-cut-loses-nothing-that-was-flushed.sh \
	%D%/bugs-are-caught-and-explained.sh
TESTS += $(COHERENCY_TESTS)
dist_check_SCRIPTS += $(COHERENCY_TESTS)
EXTRA_DIST += %D%/lib.sh

check-coherency: all $(check_PROGRAMS)
	VBDD_COHERENCY=long $(MAKE) check-TESTS TESTS="$(COHERENCY_TESTS)"
.PHONY: check-coherency
