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
kept() { # NAME SENTENCE
  check "$1: $2" grep -q "^ok [0-9]* - $2 \[[^]]*\]$" /tmp/"$1".tap
}

start_vbdd
vm plain --save vbdd /dev/vda
vm cache --cases "durable handover" --engine cache/aio --plan busy vbdd /dev/vda
end_vbdd
finish
