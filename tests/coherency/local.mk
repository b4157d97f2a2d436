# SPDX-License-Identifier: MIT
# One disk over all its paths at once. `make check` has a glance of it,
# `make check-coherency` the whole.
COHERENCY_TESTS = %D%/one-truth-over-all-paths.sh
TESTS += $(COHERENCY_TESTS)
dist_check_SCRIPTS += $(COHERENCY_TESTS)

check-coherency: all
	VBDD_COHERENCY=long $(MAKE) check-TESTS TESTS="$(COHERENCY_TESTS)"
.PHONY: check-coherency
