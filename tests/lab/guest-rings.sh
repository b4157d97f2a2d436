#!/bin/sh
# SPDX-License-Identifier: MIT
# What the guest of a-linux-guest-uses-every-ring-feature.sh does with each
# disk that comes: looks at it, fills it, reads it back, makes a file system
# and trims it; then it waits for the next one.
say() { echo "JOB: $*"; }
wait_for() { # a disk: at most 60 s
  local i=0
  until [ -b "/dev/$1" ]; do
    i=$((i + 1))
    [ $i -lt 300 ] || { say "$1: does not come"; exit 1; }
    sleep 0.2
  done
}
look() {
  say "$(dmesg | grep "blkfront: $1" | tail -n 1 | sed 's/.*blkfront/blkfront/')"
  say "$1: $(ls -d /sys/block/$1/mq/* | wc -l) queues"
  say "$1: sectors $(cat /sys/block/$1/queue/logical_block_size)"
  say "$1: segments $(cat /sys/block/$1/queue/max_segments)"
}
fill() { # large requests from two processes, so that both queues are used
  dd if=/tmp/data of=/dev/$1 bs=1M oflag=direct 2>/dev/null &
  dd if=/tmp/data of=/dev/$1 bs=64k seek=256 oflag=direct 2>/dev/null
  wait
  sync
  echo 3 > /proc/sys/vm/drop_caches
  dd if=/dev/$1 bs=1M count=8 2>/dev/null | cmp - /tmp/data &&
    dd if=/dev/$1 bs=1M skip=16 count=8 2>/dev/null | cmp - /tmp/data &&
    say "$1: data reads back"
  say "$1: full"
  sleep 2 # whoever watches looks at the target now
}
use() { # a file system, a file that stays, and one that goes
  mkfs.ext4 -q -F -E nodiscard /dev/$1 &&
    mount -t ext4 /dev/$1 /mnt &&
    cp /bin/busybox /mnt/stays &&
    cp /tmp/data /mnt/goes &&
    sync &&
    rm /mnt/goes &&
    sync &&
    fstrim /mnt &&
    cmp /bin/busybox /mnt/stays &&
    umount /mnt || say "$1: the file system fails"
  sync
  echo 3 > /proc/sys/vm/drop_caches
  say "$1: sum $(sha256sum < /dev/$1 | cut -d' ' -f1)"
  say "$1: done"
}
mkdir -p /mnt
dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
for disk in xvda xvdb xvdc xvdd xvde; do
  wait_for $disk
  look $disk
  fill $disk
  use $disk
done
say "all done"
