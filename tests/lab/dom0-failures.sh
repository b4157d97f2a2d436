#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: what can go wrong, and what xl and vbdd say of it. Guest `one` runs,
# `two` is paused and holds its disk.
set -u
. /lab/checks.sh
images=/mnt/images
libexec=/usr/local/libexec/vbdd

prepare() {
  local name
  mkdir -p $images
  mount -t ext4 /dev/vda $images || exit 1
  for name in one two more locked excl; do truncate -s 16M $images/$name; done
  losetup /dev/loop0 $images/excl
  losetup -r /dev/loop1 $images/locked
  start_vbdd
  config one "$(line xvda $images/one)"
  config two "$(line xvda $images/two)"
  xl create /tmp/one.cfg # what the first one leaves for good is no leak
  up one
  xl destroy one
  wait_for 10 is_not serves ".*/xvd."
  before=$(counts)
  echo "$before" | sed 's/^/LAB: before: /'
  xl create -p /tmp/two.cfg
  xl create /tmp/one.cfg
  check "a guest boots" up one
}

nr_disks() { vbdctl list | grep -c "/xvd"; }
# attach_fails WHY PATTERN LINE: and nothing is left of it, once it is detached
attach_fails() {
  local disks
  disks=$(nr_disks)
  try xl block-attach one "$3"
  check "$1: xl says so" failed_with "$2"
  xl block-detach one xvdb
  check "$1: nothing is left" equal \
    "$(xl block-list one | wc -l) $(nr_disks)" "2 $disks"
}

bad_targets() {
  flow bad targets
  mkdir -p $images/directory
  attach_fails "no such target" "script: .*none: No such file" \
    "$(line xvdb $images/none)"
  attach_fails "a directory" "neither a block device nor a file" \
    "$(line xvdb $images/directory)"
  attach_fails "an option that is none" "'colour' is no option of a disk" \
    "$(line xvdb "colour=red,$images/more")"
  attach_fails "an option with a bad value" "queues = '9': expected" \
    "$(line xvdb "queues=9,$images/more")"
  attach_fails "another guest has it" "held writable by [0-9]+/xvda" \
    "$(line xvdb $images/two)"
  attach_fails "it is mounted in dom0" "in use.*$images" \
    "$(line xvdb /dev/vda)"
  attach_fails "it is read-only" "[Rr]ead-only" "$(line xvdb /dev/loop1)"
  check "it can be had read-only" try xl block-attach one \
    "$(line xvdb /dev/loop1 ro)"
  xl block-detach one xvdb
  stampload write /dev/loop0 1 1 >/dev/null & # O_EXCL
  sleep 0.5
  attach_fails "somebody has it exclusively" "in use" \
    "$(line xvdb /dev/loop0)"
  kill $!
  wait $!
  flock --no-fork $images/more sleep 100 &
  sleep 0.5
  attach_fails "somebody has it locked" "in use|lock" \
    "$(line xvdb $images/more)"
  kill $!
  wait $!
}

failed_creation() {
  flow failed creation
  config three "$(line xvda $images/none)"
  try xl create /tmp/three.cfg
  check "xl create says why" failed_with "script: .*none: No such file"
  check "no domain is left" is_not lives three
}

broken_installation() {
  flow broken installation
  chmod -x $libexec/vbdd-disk
  attach_fails "the worker cannot be started" "vbdd-disk" \
    "$(line xvdb $images/more)"
  chmod +x $libexec/vbdd-disk
  mv /usr/local/bin/vbdctl /usr/local/bin/away
  try xl block-attach one "$(line xvdb $images/more)"
  mv /usr/local/bin/away /usr/local/bin/vbdctl
  check "the script fails: xl says so" failed_with "script: .*vbdctl"
  xl block-detach one xvdb
  check "it can be attached as soon as all is there" \
    try xl block-attach one "$(line xvdb $images/more)"
  check "and detached" try xl block-detach one xvdb
}

# The other disk of the guest is served, whatever becomes of this one, which
# can be got rid of.
survives() { # WHAT
  check "$1: vbdd answers, and the guest's other disk is served" eval \
    'vbdctl ping && ask one "dd if=/dev/xvda of=/dev/null bs=64k count=4 iflag=direct"'
  try xl block-detach --force one xvdb
  check "$1: the disk is detached by force" eval \
    'equal $status 0 && wait_for 5 is_not serves $images/more'
}
# A guest whose nodes somebody else has written may wait for ever for answers
# on a ring that is no ring any more: its own affair, so each has its own guest.
new_guest() {
  xl destroy one
  xl create /tmp/one.cfg
  up one
}
attach() {
  node=$(front one 51728)
  xl block-attach one "$(line xvdb "${1:-}$images/more")" &&
    wait_for 10 front_is one 51728 4 && return
  check "a disk for it" false
  finish
  exit 1
}

garbage() {
  local name value
  flow garbage of the front end
  attach
  for name in ring-ref event-channel protocol ring-page-order ring-ref0 \
              multi-queue-num-queues feature-persistent state; do
    for value in '' -1 x 99999999999999999999 ../../../0 \
                 "$(head -c 2000 /dev/zero | tr '\0' 9)"; do
      xenstore-write -- "$node/$name" "$value"
    done
  done
  for value in 6 1 3 4; do xenstore-write -- "$node/state" $value; sleep 0.2; done
  check "vbdd says what it does not understand" vbdd_says "/xvdb: .*(ring|event|protocol|queues)"
  vbdd_says /xvdb
  grep /xvdb /tmp/vbdd.log | tail -n 5 | sed 's/^/LAB:   /'
  survives "garbage"
}

skipped_states() {
  local value
  flow skipped states
  new_guest
  attach
  for value in 6 4 1 6 3 1 4 5 3 2 6 7 8 0; do
    xenstore-write -- "$node/state" $value
    sleep 0.05
  done
  survives "states that follow upon no other"
}

flapping() {
  local lines
  flow flapping
  new_guest
  attach
  lines=$(wc -l </tmp/vbdd.log)
  for i in $(seq 100); do
    for value in 5 6 1 3 4; do xenstore-write -- "$node/state" $value; done
  done
  sleep 1
  check "vbdd's log is not flooded" \
    [ $(($(wc -l </tmp/vbdd.log) - lines)) -lt 100 ]
  survives "flapping 100 times"
}

vanished_front() {
  flow the front end\'s directory removed
  new_guest
  attach
  xenstore-rm "$node"
  check "the back end closes" \
    wait_for 5 back_is one 51728 6
  survives "no front end"
}

detach_while_writing() {
  flow block-detach while the guest writes
  new_guest
  attach
  load one xvdb 2 2
  goes_on one 2
  check "Linux 6.1 gives it back, and xl block-detach succeeds" \
    try xl block-detach one xvdb
  check "vbdd has let the target go" wait_for 5 is_not serves $images/more
  check "the guest is told that its later writes have failed" \
    wait_for 20 has_failed one 2
  check "all that was acknowledged is on the target" \
    stampload check $images/more 2 $(acknowledged one 2)
}

worker_of() {
  local pid
  for pid in $(pidof vbdd-disk); do
    tr '\0' ' ' < "/proc/$pid/cmdline" | grep -q "target $1 " && echo "$pid"
  done
}

worker_killed() {
  flow the worker killed
  new_guest
  attach
  load one xvdb 3 2
  goes_on one 3
  kill -9 "$(worker_of $images/more)"
  check "vbdd says so" wait_for 5 vbdd_says "$images/more failed: worker killed by signal 9"
  survives "the worker killed"
  check "all that was acknowledged is on the target" \
    stampload check $images/more 3 $(acknowledged one 3)
}

nr_domains_is() { [ "$(xl list | grep -c '^[^N]')" = "$1" ]; }
# Xen's and libxl's patience ends before the writes do, which take 14 s.
slow_target() {
  flow destroyed with writes under way
  new_guest
  attach "engine=delay:write=14s/aio,"
  load one xvdb 4 2
  sleep 1
  check "xl destroy comes to its end" try xl destroy one
  check "no guest of that name is left" is_not lives one
  check "the old writes are still under way" serves $images/more
  config three "$(line xvda $images/more)"
  check "a new guest gets the target" try xl create -p /tmp/three.cfg
  check "when the old worker has ended" taken_in_turns $images/more
  check "and with it what was left of the old guest, which lent it its ring" \
    wait_for 5 nr_domains_is 3
  check "xl destroy" try xl destroy three
}
# vbdd is there, but does not answer; and then is not there.
no_vbdd() {
  flow vbdd stopped by a signal
  kill -STOP $vbdd
  try xl create -p /tmp/one.cfg
  kill -CONT $vbdd
  check "xl create gives up, and says that the back end does not come" \
    failed_with "backend|timed out"
  check "no domain is left" is_not lives one
  check "when vbdd goes on a guest is created" try xl create -p /tmp/one.cfg
  xl destroy one
  wait_for 10 is_not serves $images/one
}

vbdd_gone() {
  flow vbdd away
  check "vbdd ends cleanly" end_vbdd
  try xl create -p /tmp/one.cfg
  check "without vbdd xl create gives up, and says of what" \
    failed_with "backend|timed out"
  check "no domain is left" is_not lives one
  start_vbdd
  check "with vbdd a guest is created" try xl create -p /tmp/one.cfg
  xl destroy one
  check "vbdd ends cleanly again" end_vbdd
}

leaks() {
  xl destroy two
  wait_for 10 is_not serves ".*/xvd."
  after=$(counts)
  echo "$after" | sed 's/^/LAB: after: /'
  check "nothing has leaked" equal "$after" "$before"
}

prepare
bad_targets
failed_creation
broken_installation
garbage
skipped_states
flapping
vanished_front
detach_while_writing
worker_killed
slow_target
no_vbdd
leaks
vbdd_gone
finish
