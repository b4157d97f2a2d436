#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a guest that writes all the time, three writes under way, is saved and
# restored, saved and let go on, migrated to the same host (where the old
# domain still has the disk when the new one gets it), and taken back from a
# migration that fails; no write that was acknowledged is ever lost or rolled
# back, in the guest's eyes or on the target.
# Source: C1, C2, C3; ARCHITECTURE.md (suspended domains).
# Mechanism: plain xl; stampload in the guest reads each block before it writes
# it again, and in dom0 compares the target with what was acknowledged.
# LAB_LONG=1 migrates 20 times.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
rounds 3 20
nr=$(cat "$tree/lab/rounds")
run_lab_led prepare -- --timeout $((600 + nr * 120)) "$lab/dom0-saved.sh"
claims $((18 + 3 * nr))
finish
