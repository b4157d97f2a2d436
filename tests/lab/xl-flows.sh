#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: xl, unmodified, does with disks of ours what it does with others:
# create (paused), with a bootloader, block-attach, block-list, block-detach
# (also of a disk in use, and by force), a read-only base of two guests, a disk
# that both write to, shutdown, reboot, soft reset, destroy; what it says where
# something is refused; and nothing is left afterwards.
# Source: libxl's contract; C1, C9.
# Mechanism: two PVH guests that do what the script in dom0 tells them, and an
# HVM guest without an operating system for the soft reset.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 256M "$disk"
    mkfs.ext4 -q -F -E nodiscard "$disk"
}
run_lab_led prepare -- --hvm --timeout 900 \
    --copy "$top_builddir/tests/lab/softreset:/bin/softreset" \
    "$lab/dom0-flows.sh"
claims 60
finish
