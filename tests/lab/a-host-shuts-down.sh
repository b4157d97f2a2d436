#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: in a Debian dom0 with systemd, pygrub boots a guest from a disk of
# ours, xendomains.service saves and restores that guest, and when the machine
# is shut down guests go first, then vbdd, then Xen's daemons.
# Source: docs/OPERATIONS.md.
# Mechanism: tests/lab with its Debian image; the script in dom0 judges what
# comes before the shutdown, the journal on the console what comes then.
. "$top_srcdir/tests/lab/lib.sh"
prepare() { :; } # the disk is a file in dom0
run_lab_led prepare -- --image debian --enable vbdd.service --timeout 600 \
    --copy "$lab/dom0-units.sh:/lab/units.sh" "$lab/dom0-shutdown.sh"
claims 9

in_order() { # PATTERN...: in the journal
    local line=0 pattern
    for pattern; do
        line=$(awk -v from="$line" -v pattern="$pattern" \
            '/^JOURNAL: / && NR > from && $0 ~ pattern {print NR; exit}' "$log")
        [ -n "$line" ] || { echo "# not found: $pattern"; return 1; }
    done
    echo "JOURNAL: all in order" >>"$log"
}
in_order 'Stopping xendomains.service' 'vbdd[[].*/root/one.img is free' \
    'Stopped xendomains.service' 'Stopping vbdd.service' \
    'vbdd.service: Deactivated successfully' 'Stopping xen.service'
says "guests are stopped before vbdd, and vbdd before Xen's daemons" \
    'JOURNAL: all in order'
finish
