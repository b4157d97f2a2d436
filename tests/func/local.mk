# SPDX-License-Identifier: MIT
# Whole programs on the local platform.
FUNC_TESTS = \
	%D%/a-disk-from-end-to-end.sh \
	%D%/readme-examples.sh \
	%D%/bad-targets.sh \
	%D%/doctor.sh \
	%D%/who-else-has-it-open.sh \
	%D%/a-failed-flush-is-never-a-success.sh \
	%D%/a-dead-worker-takes-no-other-disk-along.sh \
	%D%/a-dead-vbdd-leaves-no-orphans.sh \
	%D%/a-guest-outlives-vbdd.sh \
	%D%/a-front-end-that-dies.sh \
	%D%/a-domain-that-is-saved.sh \
	%D%/guests-of-all-kinds.sh \
	%D%/stamps-tell-what-was-lost.sh \
	%D%/two-hundred-disks.sh \
	%D%/dd-shows-what-each-path-sees.sh \
	%D%/an-emulated-client-is-seen.sh \
	%D%/verify-over-all-paths.sh \
	%D%/a-control-group-for-each-disk.sh \
	%D%/metrics.sh %D%/xentop-sees-each-vbd.sh \
	%D%/the-journal-has-fields.sh \
	%D%/bench-counts.sh
TESTS += $(FUNC_TESTS)
dist_check_SCRIPTS += $(FUNC_TESTS)
EXTRA_DIST += %D%/lib.sh %D%/check-metrics.pl
