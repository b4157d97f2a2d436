# SPDX-License-Identifier: MIT
# A real machine in emulation: QEMU's pc, SeaBIOS, IDE; seconds each.
VM_TESTS = \
	%D%/the-int13-agent.sh \
	%D%/the-scene-of-2007.sh \
	%D%/the-image-without-xen.sh \
	%D%/a-linux-guest-boots-from-its-ide-disk.sh
TESTS += $(VM_TESTS)
dist_check_SCRIPTS += $(VM_TESTS)
EXTRA_DIST += %D%/lib.sh %D%/answers.sh %D%/run %D%/table %D%/linux-initrd-init %D%/linux-job
