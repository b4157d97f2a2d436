#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: on a real Xen, a PVH Linux guest that writes, syncs and compares keeps
# its disk while vbdd is stopped and started three times, killed and started
# once, and once more while nobody writes: it sees no error, its back end stays
# Connected, and e2fsck in dom0 is clean.
# Source: docs/COHERENCY.md, "When vbdd is away".
# Mechanism: tests/lab boots Xen 4.17 under emulation; dom0 runs this build, and
# follows the guest on its console.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
run_lab_kept prepare -- --timeout 600 \
    --guest-copy "$lab/guest-restart.sh:/job" "$lab/dom0-restart.sh"

says "xl create succeeds" "LAB: created"
for stop in 1 2 3; do
    says "stop $stop of vbdd ends with 0" "LAB: stop $stop: status 0"
    says "the guest goes on when it is started again" "LAB: stop $stop: goes on"
done
says "vbdd is killed, and its worker ends" "LAB: kill: worker ended"
says "the guest goes on with the next one" "LAB: kill: goes on"
says "each ring was gone on with" "LAB: gone on with: 5"
says "and none was connected anew" "LAB: connected: 1"
says "its back end was Connected all the time" "LAB: states: 1"
says "no data differs" "JOB: no data differs"
says "the guest's kernel has seen no error" "JOB: errors: 0"
says "the guest's job succeeds" "GUEST: exit 0"
says "e2fsck in dom0 finds the file system clean" "LAB: e2fsck clean"
says "a vbdd that finds no guest any more leaves nothing" \
     "LAB: disks, records and leases left: 0 0 0"
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
