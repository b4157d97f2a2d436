#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: a guest is created, writes, is destroyed in the middle of it, and
# created again at once on the same target, again and again.
set -u
. /lab/checks.sh
rounds=$(cat /lab/rounds)
acked=

round() { # ROUND
  flow "round $1"
  check "$1: xl create succeeds" try xl create /tmp/one.cfg
  up one
  [ "$1" = 1 ] ||
    check "$1: what the guest before had acknowledged is there, and no older" \
      ask one "stampload check /dev/xvda $(($1 - 1)) $acked"
  load one xvda "$1" 3
  check "$1: it writes each block, and reads only its own" \
    eval 'goes_on one '"$1"' 70 && is_not has_failed one '"$1"
  acked=$(acknowledged one "$1")
  check "$1: xl destroy succeeds, and leaves no domain" \
    eval 'try xl destroy one && [ $(xl list | wc -l) = 2 ]'
}

config one "$(line xvda /dev/vda)"
start_vbdd
xl create /tmp/one.cfg # what the first one leaves for good is no leak
up one
xl destroy one
wait_for 10 is_not serves /dev/vda
before=$(counts)
free=$(xl info | sed -n 's/^free_memory *: //p')
for round in $(seq "$rounds"); do round "$round"; done
check "all that the last guest had acknowledged is on the target" eval \
  "wait_for 10 is_not serves /dev/vda && stampload check /dev/vda $rounds $acked"
after=$(counts)
check "a worker was started only when the one before had ended" \
  taken_in_turns /dev/vda
echo "$before" | sed 's/^/LAB: before: /'
echo "$after" | sed 's/^/LAB: after: /'
echo "LAB: free memory: $free MiB before, $(xl info | sed -n 's/^free_memory *: //p') after"
check "nothing has leaked" equal "$after" "$before"
echo "LAB: boots lost to the emulation: $forgiven"
check "vbdd ends cleanly" end_vbdd
finish
