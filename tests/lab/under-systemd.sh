#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: installed by `make install` and enabled, vbdd is a good service of a
# Debian dom0: it starts at boot in its place, systemd has nothing to say
# against its unit; and a guest that was created by xl keeps its disk when vbdd
# is restarted, killed, hangs, cannot start, or is stopped for a while.
# Source: docs/OPERATIONS.md; vbdd(8), "Stopping".
# Mechanism: tests/lab with its Debian image; the script in dom0 judges.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
run_lab_led prepare -- --image debian --enable vbdd.service --timeout 600 \
    --copy "$lab/dom0-units.sh:/lab/units.sh" "$lab/dom0-systemd.sh"
claims 32
finish
