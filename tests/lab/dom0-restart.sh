#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: vbdd goes and comes again under a PVH Linux guest.
set -u
. /lab/lib.sh
options="--log-level debug"
start_vbdd $options
config guest "$(line xvda /dev/vda)"
console=/var/log/xen/console/guest-guest.log
xl create /tmp/guest.cfg && echo "LAB: created"
has_ended() { grep -q 'GUEST: exit' $console 2>/dev/null || is_gone; }
rounds() { grep -c 'JOB: round' $console 2>/dev/null; }
# await_rounds N: until the guest has done so many more
await_rounds() {
  local goal=$(($(rounds) + $1)) i
  for i in $(seq 150); do
    [ "$(rounds)" -ge "$goal" ] && return 0
    has_ended && return 1
    sleep 0.3
  done
  return 1
}
taken_up() { grep -c ': goes on with' /tmp/vbdd.log; }
await_taken_up() {
  local i
  for i in $(seq 50); do [ "$(taken_up)" -ge "$1" ] && return; sleep 0.3; done
  return 1
}
await_rounds 2 || await_rounds 2
back=$(xenstore-list /local/domain/0/backend/vbd | head -n 1)
back=/local/domain/0/backend/vbd/$back/51712/state
xenstore-watch $back >/tmp/states 2>&1 &
watcher=$!
for n in 1 2 3; do
  end_vbdd
  echo "LAB: stop $n: status $?"
  [ $n = 2 ] && sleep 5 # longer than it takes
  start_vbdd $options
  await_taken_up $n && await_rounds 2 && echo "LAB: stop $n: goes on"
done
worker=$(pidof vbdd-disk)
kill -KILL $vbdd
wait $vbdd 2>/dev/null
start_vbdd $options
await_taken_up 4 && await_rounds 2 && echo "LAB: kill: goes on"
[ -n "$worker" ] && ! kill -0 "$worker" 2>/dev/null && echo "LAB: kill: worker ended"
# the guest pauses now and then: once more, whatever it does
end_vbdd
start_vbdd $options
await_taken_up 5
echo "LAB: gone on with: $(taken_up)"
echo "LAB: connected: $(grep -c ': connected to' /tmp/vbdd.log)"
echo "LAB: states: $(grep -c . /tmp/states)" # the watch's own event
echo "LAB: state $(xenstore-read $back)"
kill $watcher
vbdctl list
for i in $(seq 150); do has_ended && break; sleep 1; done
explain_silence $console
sed 's/^/GUESTLOG: /' $console
sleep 2
end_vbdd # a guest that goes while there is no vbdd
xl destroy guest 2>/dev/null
start_vbdd $options
wait_for 10 eval '! vbdctl list | grep /dev/vda'
echo "LAB: disks, records and leases left: $(vbdctl list | grep -c /dev/vda)" \
  "$(ls /run/vbdd/hold | wc -l) $(ls /run/vbdd/leases | wc -l)"
e2fsck -f -n /dev/vda && echo "LAB: e2fsck clean"
stop_vbdd
