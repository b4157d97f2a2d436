#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the flush-correctness VM finds no promise broken on vbdd, by int13, by
# ATA and by the ring, alternately and at once, with nothing skipped that this
# stack offers.
# Source: COHERENCY.md C2 to C15; tests/vm/image; docs/STACKS.md.
# Mechanism: tests/vm/run in dom0; hvmloader, SeaBIOS, QEMU's IDE and the VM's own
# drivers.
. "$top_srcdir/tests/lab/lib.sh"
. "$lab/vm.sh"
run_lab_kept reset_disk "$disk" -- --hvm --timeout 600 "${vm[@]}" "$lab/dom0-vm.sh"
claims 6
finish
