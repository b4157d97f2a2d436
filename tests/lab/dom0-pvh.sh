#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: vbdd serves a PVH Linux guest through an ordinary xl line.
set -u
. /lab/lib.sh
vbdd --foreground >/tmp/vbdd.log 2>&1 &
vbdd=$!
for i in $(seq 50); do vbdctl ping >/dev/null 2>&1 && break; sleep 0.1; done
cat > /tmp/guest.cfg <<EOF
name = "guest"
type = "pvh"
kernel = "/lab/vmlinuz"
ramdisk = "/lab/guest.cpio.gz"
extra = "console=hvc0 loglevel=6"
on_reboot = "destroy" # a triple fault is a reboot
memory = 256
vcpus = 1
disk = ["vdev=xvda,format=raw,access=rw,backendtype=phy,script=block-vbdd,target=/dev/vda"]
EOF
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
for i in $(seq 50); do [ -z "$(vbdctl --json list | grep '"worker"')" ] && break; sleep 0.2; done
echo "LAB: disks after the guest is gone: $(vbdctl list | grep -c /dev/vda)"
xl list | sed 's/^/LAB: xl list: /'
e2fsck -f -n /dev/vda && echo "LAB: e2fsck clean"
mount -t ext4 -o ro /dev/vda /mnt
stamps pvh | cmp - /mnt/stamps-pvh && echo "LAB: the target has its stamps"
umount /mnt
kill $vbdd
wait $vbdd
echo "LAB: vbdd ended with $?"
sed 's/^/VBDDLOG: /' /tmp/vbdd.log
