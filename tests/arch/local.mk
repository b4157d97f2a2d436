# SPDX-License-Identifier: MIT
# The tree looks at itself: law 1 of the design, sizes, headers, no libc in
# what must run in a guest, documents that are true.
arch_tests = %D%/check-docs.sh %D%/check-freestanding.sh \
	%D%/check-headers.sh %D%/check-includes.sh %D%/check-install.sh \
	%D%/check-misbehaviours.sh %D%/check-sizes.sh
dist_check_SCRIPTS += $(arch_tests)
TESTS += $(arch_tests)
EXTRA_DIST += %D%/tap.sh
