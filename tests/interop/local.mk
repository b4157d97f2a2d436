# SPDX-License-Identifier: MIT
# Clients that nobody here wrote, against the worker's NBD socket.
INTEROP_TESTS = \
	%D%/nbdinfo-shows-a-disk-as-it-is.sh \
	%D%/libnbd-is-told-what-is-wrong.sh \
	%D%/nbdcopy-copies-both-ways.sh \
	%D%/qemu-img-finds-a-disk-like-any-other.sh \
	%D%/qemu-io-leaves-what-it-leaves-in-a-file.sh \
	%D%/fio-verifies-what-it-wrote.sh \
	%D%/nbdkit-stands-on-a-disk.sh
TESTS += $(INTEROP_TESTS)
dist_check_SCRIPTS += $(INTEROP_TESTS)
EXTRA_DIST += %D%/lib.sh %D%/prelude.py %D%/requests.py \
	%D%/negotiation.py %D%/crowd.py

check-interop: all
	$(MAKE) check-TESTS TESTS="$(INTEROP_TESTS)"
.PHONY: check-interop
