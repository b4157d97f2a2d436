#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: who does on a Debian dom0 what the man pages say, as they say it, has a
# guest with disks of ours, sees what it does with them, and gets rid of it: the
# examples of vbdd.conf(5), vbdd(8), block-vbdd(8) and vbdctl(1), line by line.
# And xl takes each of the examples of configurations that are installed.
# Source: the EXAMPLES of these pages; docs/examples.
# Mechanism: dom0 reads the installed pages, and has targets by the names that
# are used in them.
. "$top_srcdir/tests/lab/lib.sh"
prepare() { truncate -s 1M "$disk"; }
run_lab_kept prepare -- --image debian --timeout 600 \
    --guest-copy "$lab/guest-admin.sh:/job" "$lab/dom0-admin.sh"

examples=("$top_srcdir"/docs/examples/*.cfg)
for example in "${examples[@]}"; do
    says "xl takes ${example##*/}" "LAB: xl takes ${example##*/}"
done
says "vbdd is started" "LAB: done: systemctl enable --now vbdd"
says "doctor finds the target good" "SAID: /dev/vg/guest can be attached"
says "a guest is created with the page's line" "LAB: done: xl create"
says "and uses its disks" "JOB: xvdb: written"
says "a disk is attached with the page's line" "JOB: xvdc: written"
says "list shows that it is connected" "SAID: .*/xvda .* connected"
says "show says of what it is" "SAID: target +/dev/vg/guest"
says "features are shown" "SAID: +grants .*copy"
says "statistics are shown, with the guest's flush" "SAID: +flush +p50 [0-9.]+ ms"
says "resize is answered" "SAID: disk [0-9]+: .*unchanged"
says "the log level is changed" "LAB: done: vbdctl log-level"
says "a disk is detached with the page's line" "LAB: done: xl block-detach"
says "the guest is destroyed" "LAB: done: xl destroy"
says "and no disk is left" "LAB: disks left: 0"
grep -q 'LAB: done: systemctl stop' "$log" &&
    ! grep -q 'LAB: not done' "$log" && echo "all done" >>"$log"
says "no command of the pages is refused" "^all done"
says "vbdd is stopped" "LAB: done: systemctl stop vbdd"
finish
