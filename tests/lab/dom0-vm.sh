#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: the flush-correctness VM on vbdd, once on the device as it is, once
# with a volatile write cache below, and once on blocks of 4096 bytes.
set -u
. /lab/checks.sh
export top_builddir=/lab/vm

# vm NAME OPTION...: its TAP goes to the console; then no promise is broken
vm() {
  local name=$1
  shift
  flow "vm $name"
  try /lab/vm/run --tap /tmp/"$name".tap "$@"
  check "$name: no promise is broken" equal "$status" 0
  check "$name: the VM comes to its end" grep -q '^1\.\.' /tmp/"$name".tap
}
# skips NAME WHY...: for these reasons alone
skips() {
  local name=$1 IFS='|'
  shift
  check "$name: nothing is skipped that can be judged" \
    equal "$(grep '# SKIP' "/tmp/$name.tap" | grep -v -E "# SKIP ($*)$")" ""
}

start_vbdd
vm plain --save vbdd /dev/vda
skips plain "nobody can cut its power" "the emulated disk offers no FUA"
vm cache --cases "durable handover" --engine cache/aio --plan busy vbdd /dev/vda
skips cache "nobody can save this guest" "the emulated disk offers no FUA" \
  "the ATA FLUSH was over too soon"
end_vbdd
finish
