#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the flush-correctness VM comes to its end on vbdd, on QEMU's qdisk and on
# xen-blkback, each with QEMU's IDE; what each keeps and breaks is printed as the
# table of docs/STACKS.md, and not judged.
# Source: docs/STACKS.md.
# Mechanism: tests/vm/run in dom0, on the same device for all. STACKS has those
# that are wanted.
. "$top_srcdir/tests/lab/lib.sh"
. "$lab/vm.sh"
if [ -z "$(command -v dmsetup)" ]; then
    echo "1..0 # SKIP needs dmsetup"
    exit 0
fi
stacks=${STACKS:-vbdd qdisk blkback}
mkdir -p "$tree/lab"
echo "$stacks" >"$tree/lab/stacks"
run_lab_kept reset_disk "$disk" -- --hvm --timeout 1200 "${vm[@]}" \
    --copy "$(command -v dmsetup):/sbin/dmsetup" "$lab/dom0-vm-stacks.sh"
claims "$(wc -w <<<"$stacks")"
finish
