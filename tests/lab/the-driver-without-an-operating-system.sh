#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the driver needs no operating system. A guest of 30 KiB, in which there
# is nothing else, connects to vbdd, to QEMU and to the kernel's xen-blkback; each
# takes its writes, flushes, and barriers and discards where it offers them, and
# what was written is read back and is on the target; waiting by hypercall and by
# upcall, both of which leave the processor idle. It lives through a suspend that
# is cancelled and through save and restore, and as an HVM guest it unplugs its
# emulated disk.
# Source: docs/PORTING.md, blkif.h, hvm-emulated-unplug.
# Mechanism: frontend/port-hvm/example on a real Xen under emulation, told what to
# do by xl. xen-blkback comes last: it takes every vbd from then on.
. "$top_srcdir/tests/lab/lib.sh"
bare=$top_builddir/port-hvm-example
if [ ! -e "$bare" ]; then
    echo "1..0 # SKIP needs a compiler for 32 bits"
    exit 0
fi
second=$disk.2
trap 'rm -rf "$disk" "$second" "$log" "$tree"' EXIT
prepare() {
    rm -f "$disk" "$second"
    truncate -s 64M "$disk" "$second"
}
run_lab_kept prepare -- --hvm --timeout 400 --disk "$second" \
    --copy "$bare:/lab/bare" "$lab/dom0-bare.sh"
claims 32
finish
