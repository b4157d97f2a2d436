#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0, on the stand-in: disks on two linear volumes of device-mapper over
# /dev/vda, and what else is tried with all three.
set -u
export DM_DISABLE_UDEV=1
vbdd-local /tmp/local >/tmp/local.log 2>&1 &
for i in $(seq 50); do [ -S /tmp/local/xenstored ] && break; sleep 0.1; done
vbdd --foreground --local /tmp/local --state-dir /tmp/state \
  >/tmp/vbdd.log 2>&1 &
vbdd=$!
ctl() { vbdctl --socket /tmp/state/control "$@"; }
for i in $(seq 50); do ctl ping >/dev/null 2>&1 && break; sleep 0.1; done
attach() { ctl attach --domid 9 --vdev "$1" --target "$2" 2>&1; }
detach() { ctl detach --domid 9 --vdev "$1" || echo "LAB: $1 not detached"; }
volume() { dmsetup create "$1" --table "0 32768 linear /dev/vda $2" 2>&1; }

volume one 2048 && volume two 34816 || exit 1
attach xvda /dev/mapper/one && attach xvdb /dev/mapper/two &&
  echo "LAB: side by side: $(ctl list | grep -c /dev/mapper)"
echo "LAB: the device below: $(attach xvdc /dev/vda)"
echo "LAB: a mount: $(mount -t ext4 /dev/mapper/one /mnt 2>&1)"
echo "LAB: taken down: $(dmsetup remove one 2>&1)"
echo "LAB: doctor: $(ctl doctor /dev/vda)"
detach xvda
detach xvdb
dmsetup remove one && dmsetup remove two
attach xvdc /dev/vda && echo "LAB: the device below is free"
echo "LAB: a volume: $(volume one 2048)"
detach xvdc
volume one 2048 && echo "LAB: a volume is free"
dmsetup remove one
kill $vbdd
wait $vbdd
echo "LAB: vbdd ended with $?"
sed 's/^/VBDDLOG: /' /tmp/vbdd.log
