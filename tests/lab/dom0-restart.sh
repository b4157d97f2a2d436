#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: vbdd goes and comes again under a PVH Linux guest.
set -u
. /lab/lib.sh
start_vbdd() {
  vbdd --foreground --log-level debug >>/tmp/vbdd.log 2>&1 &
  vbdd=$!
  for i in $(seq 100); do vbdctl ping >/dev/null 2>&1 && break; sleep 0.1; done
}
start_vbdd
cat > /tmp/guest.cfg <<EOC
name = "guest"
type = "pvh"
kernel = "/lab/vmlinuz"
ramdisk = "/lab/guest.cpio.gz"
extra = "console=hvc0 loglevel=6"
on_reboot = "destroy" # a triple fault is a reboot
memory = 256
vcpus = 1
disk = ["vdev=xvda,format=raw,access=rw,backendtype=phy,script=block-vbdd,target=/dev/vda"]
EOC
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
  kill $vbdd
  wait $vbdd
  echo "LAB: stop $n: status $?"
  [ $n = 2 ] && sleep 5 # longer than it takes
  start_vbdd
  await_taken_up $n && await_rounds 2 && echo "LAB: stop $n: goes on"
done
worker=$(pidof vbdd-disk)
kill -KILL $vbdd
wait $vbdd 2>/dev/null
start_vbdd
await_taken_up 4 && await_rounds 2 && echo "LAB: kill: goes on"
[ -n "$worker" ] && ! kill -0 "$worker" 2>/dev/null && echo "LAB: kill: worker ended"
# the guest pauses now and then: once more, whatever it does
kill $vbdd
wait $vbdd
start_vbdd
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
kill $vbdd # a guest that goes while there is no vbdd
wait $vbdd
xl destroy guest 2>/dev/null
start_vbdd
for i in $(seq 50); do
  [ -z "$(vbdctl list | grep /dev/vda)" ] && break
  sleep 0.2
done
echo "LAB: disks, records and leases left: $(vbdctl list | grep -c /dev/vda)" \
  "$(ls /run/vbdd/hold | wc -l) $(ls /run/vbdd/leases | wc -l)"
e2fsck -f -n /dev/vda && echo "LAB: e2fsck clean"
kill $vbdd
wait $vbdd
echo "LAB: vbdd ended with $?"
sed 's/^/VBDDLOG: /' /tmp/vbdd.log
