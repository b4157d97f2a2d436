#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: one guest, to which disks with different options are attached one
# after the other.
set -u
. /lab/lib.sh
console=/var/log/xen/console/guest-guest.log
images=/mnt/images
start_vbdd
mkdir -p $images
mount -t ext4 /dev/vda $images || exit 1

disk() { line "$1" "$2$images/$1"; } # DEVICE OPTIONS
says() { # PATTERN: waits until the guest has said it
  for i in $(seq 600); do
    grep -q -e "$1" $console 2>/dev/null && return
    grep -q 'GUEST: exit' $console 2>/dev/null && break
    [ $((i % 25)) = 0 ] && is_gone && break
    sleep 0.2
  done
  echo "LAB: the guest has not said '$1'"
  explain_silence $console
  return 1
}
allocated() { du -k "$images/$1" | cut -f1; }
observe() { # DEVICE: from its attach until it is detached
  local device=$1 full trimmed path sum
  says "JOB: $device: full" || return
  full=$(allocated "$device")
  path=$(xenstore-ls -f /local/domain | sed -n "s|/ring-page-order = .*||p" |
         grep device/vbd | tail -n 1)
  echo "LAB: $device: ring order $(xenstore-read "$path/ring-page-order" 2>/dev/null || echo 0)"
  vbdctl features | sed "s/^/FEATURES: /"
  says "JOB: $device: done" || return
  trimmed=$(allocated "$device")
  [ "$trimmed" -lt $((full - 6144)) ] &&
    echo "LAB: $device: fstrim took $((full - trimmed)) KiB off"
  xl block-detach guest "$device"
  echo "LAB: $device: detached at $(cut -d' ' -f1 /proc/uptime) s"
  wait_for 10 eval '! vbdctl list | grep "$images/$device"'
  sum=$(sha256sum < "$images/$device" | cut -d' ' -f1)
  says "JOB: $device: sum $sum" &&
    echo "LAB: $device: target is as the guest left it"
}

for device in xvda xvdb xvdc xvdd xvde; do
  truncate -s 32M $images/$device
done
plain=queues=1,ring-page-order=0,indirect-segments=0,
all=queues=2,ring-page-order=4,indirect-segments=256,
cat > /tmp/guest.cfg <<END
name = "guest"
type = "pvh"
kernel = "/lab/vmlinuz"
ramdisk = "/lab/guest.cpio.gz"
extra = "console=hvc0 loglevel=6 xen_blkfront.max_ring_page_order=4 xen_blkfront.max_indirect_segments=256"
on_reboot = "destroy" # a triple fault is a reboot
memory = 1500
vcpus = 2
disk = ["$(disk xvda $plain)"]
END
xl create /tmp/guest.cfg || exit 1
tail -n +1 -F $console 2>/dev/null | sed 's/^/GUESTLOG: /' &
observe xvda
xl block-attach guest "$(disk xvdb $all)" && observe xvdb
xl block-attach guest "$(disk xvdc ${all}grants=persistent,)" && observe xvdc
xl block-attach guest "$(disk xvdd ${all}grants=map,)" && observe xvdd
xl block-attach guest "$(disk xvde ${all}sector-size=4096,)" && observe xvde
says 'GUEST: exit'
vbdctl stats
xl destroy guest 2>/dev/null
stop_vbdd
