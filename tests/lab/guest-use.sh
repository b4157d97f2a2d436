#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest does with its disk, told by its kernel's command line: it runs
# the program $first if there is one, makes a file system on $disk if $make
# says so, reads what guests before it have stamped, writes stamps of its own,
# named $stamp, with fsync, reads them back from the disk, trims, and waits until
# dom0 has looked.
say() { echo "JOB: $*"; }
fail() { say "$1 fails"; exit 1; }
mounted() { mount -t ext4 "/dev/$disk" /mnt || fail mount; }
reads() { stamps "$1" | cmp - "/mnt/stamps-$1" && say "$stamp reads stamps $1"; }

say "$stamp: $(uname -m)"
for _ in $(seq 100); do [ -b "/dev/$disk" ] && break; sleep 0.2; done
dmesg | grep -E 'blkfront: |sda: |unplug' | sed "s/^.*\] /JOB: $stamp: /"
say "$stamp: disks $(cd /sys/block && echo [sx][dv]*)"
$first
mkdir -p /mnt
if [ -n "$make" ]; then
  mkfs.ext4 -q -F -E nodiscard "/dev/$disk" || fail mkfs
fi
mounted
for file in /mnt/stamps-*; do
  [ ! -e "$file" ] || reads "${file##*-}"
done
stamps "$stamp" >"/mnt/stamps-$stamp" || fail write
cp "/mnt/stamps-$stamp" /mnt/goes
sync "/mnt/stamps-$stamp" /mnt/goes || fail fsync
umount /mnt || fail umount
echo 3 >/proc/sys/vm/drop_caches
mounted
reads "$stamp"
rm /mnt/goes
say "$stamp: $(fstrim -v /mnt 2>&1)"
umount /mnt || fail umount
say "$stamp is done"
read -r _
