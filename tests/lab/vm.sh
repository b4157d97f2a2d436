# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The flush-correctness VM and what starts it, for dom0; comes after lib.sh.
if [ ! -e "$top_builddir/flush-vm.bin" ]; then
    echo "1..0 # SKIP needs a compiler for 32 bits"
    exit 0
fi
vm=(--copy "$top_srcdir/tests/vm/run:/lab/vm/run"
    --copy "$top_srcdir/tests/vm/table:/lab/vm/table"
    --copy "$top_srcdir/tests/vm/answers.sh:/lab/vm/answers.sh"
    --copy "$top_builddir/flush-vm.bin:/lab/vm/flush-vm.bin"
    --copy "$top_builddir/int13ctl:/lab/vm/int13ctl"
    --copy "$(command -v dd):/lab/vm/dd"
    --copy "$(command -v losetup):/lab/vm/losetup")
# It has sector 2958215.
reset_disk() { rm -f "$1"; truncate -s 1445M "$1"; }
