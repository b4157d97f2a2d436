#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: who does what the man pages say, as they say it, has a guest with disks
# of ours, sees what it does with them, and gets rid of it: configuration, xl
# commands and vbdctl commands of block-vbdd(8) and vbdctl(1). And xl takes each
# of the examples that are installed.
# Source: the EXAMPLES of both pages; docs/examples.
# Mechanism: dom0 has the pages' sources, and volumes by the names that are used
# in them.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
copies=(--copy /sbin/dmsetup --guest-copy "$lab/guest-admin.sh:/job")
for page in block-vbdd vbdctl; do
    copies+=(--copy "$top_srcdir/docs/$page.pod:/lab/docs/$page.pod")
done
examples=("$top_srcdir"/docs/examples/*.cfg)
for example in "${examples[@]}"; do
    copies+=(--copy "$example:/lab/examples/${example##*/}")
done
run_lab_kept prepare -- --timeout 300 "${copies[@]}" "$lab/dom0-admin.sh"

for example in "${examples[@]}"; do
    says "xl takes ${example##*/}" "LAB: xl takes ${example##*/}"
done
says "doctor finds the target good" "SAID: /dev/vg/guest can be attached"
says "a guest is created with the page's line" "LAB: done: xl create"
says "and uses its disks" "JOB: xvdb: written"
says "a disk is attached with the page's line" "JOB: xvdc: written"
says "list shows that it is connected" "SAID: .*/xvda .* connected"
says "show says of what it is" "SAID: target +/dev/vg/guest"
says "features are shown" "SAID: +grants .*copy"
says "statistics are shown, with the guest's flush" "SAID: +requests .*flush [1-9]"
says "resize is answered" "SAID: disk [0-9]+: .*unchanged"
says "the log level is changed" "LAB: done: vbdctl log-level"
says "a disk is detached with the page's line" "LAB: done: xl block-detach"
says "the guest is destroyed" "LAB: done: xl destroy"
says "and no disk is left" "LAB: disks left: 0"
! grep -q 'LAB: not done' "$log" && echo "all done" >>"$log"
says "no command of the pages is refused" "^all done"
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
