#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the flush-correctness VM's verdicts can be trusted: with each of ten
# bugs switched on in vbdd it finds the promise broken that the bug breaks.
# Source: COHERENCY.md C4 to C7, C13; backend/coherency/bug.c.
# Mechanism: vbdd-disk-bugs as the worker, in dom0; engines that keep writes in a
# volatile cache, or take their time; a loop device with blocks of 4096 bytes.
. "$top_srcdir/tests/lab/lib.sh"
. "$lab/vm.sh"
cat >"$tree/worker" <<'END'
#!/bin/sh
VBDD_COHERENCY_BUG=$(cat /lab/bug) exec /lab/vm/vbdd-disk-bugs "$@"
END
chmod 755 "$tree/worker"
run_lab_kept reset_disk "$disk" -- --hvm --timeout 900 "${vm[@]}" \
    --copy "$tree/worker:/lab/worker" \
    --copy "$lab/next-bug:/lab/next-bug" \
    --copy "$top_builddir/vbdd-disk-bugs:/lab/vm/vbdd-disk-bugs" \
    "$lab/dom0-vm-bugs.sh"
claims 12
finish
