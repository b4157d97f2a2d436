#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a guest that is destroyed while it writes, and created again at once on
# the same target, finds all that was acknowledged before, and nothing that was
# written before comes up after its own writes; a worker is started when the
# one before has ended, never beside it; and after 10 rounds there is no more
# of anything than before: domains, event channels, grants, descriptors,
# workers, nodes.
# Source: C1, C2, C12.
# Mechanism: stampload in the guest writes stamps of the round, and looks for
# the round before first. LAB_LONG=1 makes it 50 rounds.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
rounds 10 50
nr=$(cat "$tree/lab/rounds")
run_lab_led prepare -- --timeout $((60 + nr * 30)) \
    "$lab/dom0-rounds.sh"
claims $((nr * 4 + 3))
finish
