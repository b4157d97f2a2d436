#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: in the user space of a Linux guest of Xen's whose kernel leaves the
# disks alone, vbdfront and the conformance run drive vbdd, QEMU's qdisk and the
# kernel's xen-blkback: what is written is on the target and what dom0 writes is
# read; what a back end does not offer is skipped by name. What is missing, a
# disk that is none, that the kernel has or another process, and the kernel's
# limit for grants, are told in a sentence, and what it says helps.
# Source: blkif.h; Linux's gntalloc.
# Mechanism: one guest, two disks of it for each back end. xen-blkback comes
# last, for it takes every vbd node.
. "$top_srcdir/tests/lab/lib.sh"
trap 'rm -rf "$disk" "$disk".b "$disk".c "$log" "$tree"' EXIT
prepare() {
    rm -f "$disk" "$disk".b "$disk".c
    truncate -s 4M "$disk" "$disk".b "$disk".c
}
library=$(ldconfig -p | awk '/libgcc_s.so.1 .*x86-64/ {print $NF; exit}')
run_lab_led prepare -- --hvm --timeout 900 \
    --disk "$disk.b" --disk "$disk.c" \
    --guest-copy "$top_builddir/vbdfront:/bin/vbdfront" \
    --guest-copy "$top_builddir/tests/conformance/conformance-guest:/bin/conformance-guest" \
    --guest-copy "$library" "$lab/dom0-front.sh"
claims 38
finish
