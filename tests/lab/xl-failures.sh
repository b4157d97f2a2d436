#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: whatever goes wrong ends in a sentence that xl shows, and leaves no
# domain, node, worker, descriptor, event channel or grant behind: targets that
# are missing, none, busy in each way, or read-only; bad options; a worker or a
# script that cannot run; vbdd stopped or away; a front end that writes garbage,
# skips states, flaps or vanishes; a detach while the guest writes; a worker
# killed; a guest destroyed whose writes take longer than xl waits, and another
# one that gets its target at once: when they have ended.
# Source: C1, C12; protocol of blkif.h.
# Mechanism: dom0 writes the front end's nodes as a guest's root user could.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 256M "$disk"
    mkfs.ext4 -q -F -E nodiscard "$disk"
}
run_lab_led prepare -- --timeout 900 \
    --copy "$(command -v flock):/bin/flock" "$lab/dom0-failures.sh"
claims 62
finish
