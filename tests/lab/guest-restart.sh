#!/bin/sh
# SPDX-License-Identifier: MIT
# What the guest of a-guest-outlives-vbdd.sh does with its disk: it writes,
# syncs, forgets and compares, and says so each time.
set -e
say() { echo "JOB: $*"; }
mkfs.ext4 -q -F -E nodiscard /dev/xvda
mkdir -p /mnt
mount -t ext4 /dev/xvda /mnt
dmesg -c >/dev/null
i=0
while [ $i -lt 16 ]; do
  i=$((i + 1))
  dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null
  cp /tmp/data /mnt/data-$((i % 4))
  sync
  echo 3 > /proc/sys/vm/drop_caches
  cmp /tmp/data /mnt/data-$((i % 4))
  say "round $i"
  sleep 0.5
done
say "no data differs"
say "errors: $(dmesg | grep -c -i -E 'error|blkfront|xvda|timed out|abort')"
umount /mnt
dmesg
