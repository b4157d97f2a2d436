#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: vbdd serves a PVH Linux guest through an ordinary xl line.
set -u
. /lab/lib.sh
start_vbdd
config guest "$(line xvda /dev/vda)"
console=/var/log/xen/console/guest-guest.log
xl create /tmp/guest.cfg && echo "LAB: created"
# a checkpoint while the guest writes: suspended, saved, and running again
for i in $(seq 600); do
  grep -q 'JOB: writing' $console 2>/dev/null && break
  sleep 0.1
done
echo "LAB: event channel handles of the worker: $(
  ls -l /proc/$(pidof vbdd-disk)/fd | grep -c /dev/xen/evtchn)"
grep -q 'cannot restrict' /tmp/vbdd.log ||
  echo "LAB: event channels are restricted"
xl save -c guest /tmp/guest.save && echo "LAB: saved, and it runs on"
rm -f /tmp/guest.save
for i in $(seq 100); do
  grep -q 'GUEST: exit' $console 2>/dev/null && break
  is_gone && break
  sleep 1
done
explain_silence $console
sed 's/^/GUESTLOG: /' $console
xl list
vbdctl list
vbdctl stats
xenstore-ls /local/domain/0/backend/vbd | sed 's/^/STORE: /'
sleep 2
xl destroy guest 2>/dev/null
wait_for 10 eval '! pidof vbdd-disk'
echo "LAB: disks after the guest is gone: $(vbdctl list | grep -c /dev/vda)"
xl list | sed 's/^/LAB: xl list: /'
e2fsck -f -n /dev/vda && echo "LAB: e2fsck clean"
mount -t ext4 -o ro /dev/vda /mnt
stamps pvh | cmp - /mnt/stamps-pvh && echo "LAB: the target has its stamps"
umount /mnt
stop_vbdd
