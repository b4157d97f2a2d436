#!/bin/sh
# SPDX-License-Identifier: MIT
# What the PVH guest of a-pvh-guest-uses-our-disk.sh does with its disk.
set -e
say() { echo "JOB: $*"; }
say "$(dmesg | grep 'blkfront: xvda' | sed 's/.*blkfront/blkfront/')"
mkfs.ext4 -q -F -E nodiscard /dev/xvda
mkdir -p /mnt
mount -t ext4 /dev/xvda /mnt
dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null
cp /bin/busybox /mnt/busybox
sync
sum=$(sha256sum /mnt/data | cut -d' ' -f1)
umount /mnt
echo 3 > /proc/sys/vm/drop_caches
mount -t ext4 /dev/xvda /mnt
[ "$(sha256sum /mnt/data | cut -d' ' -f1)" = "$sum" ] && say "data reads back"
cmp /mnt/busybox /bin/busybox && say "busybox reads back"
say "writing"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
  cp /mnt/data /mnt/data-$i
  sync
  cmp /mnt/data /mnt/data-$i
  rm /mnt/data-$i
  sleep 1
done
say "has written through the checkpoint"
stamps pvh > /mnt/stamps-pvh
sync /mnt/stamps-pvh
stamps pvh | cmp - /mnt/stamps-pvh
say "fstrim $(fstrim -v /mnt)"
umount /mnt
say "done"
