#!/bin/sh
# SPDX-License-Identifier: MIT
# In a guest that has its disk twice, as sda and xvda: what one path has
# written the other reads at once, 25 blocks in each direction, in the gap
# before the first partition.
block() { # DEVICE NUMBER
  dd if="/dev/$1" bs=4k skip=$((128 + $2)) count=1 iflag=direct 2>/dev/null
}
seen=0
over() { # WRITER READER NUMBER
  block "$2" "$3" >/tmp/old # so that a cache would have it
  dd if=/dev/urandom of=/tmp/new bs=4k count=1 2>/dev/null
  dd if=/tmp/new of="/dev/$1" bs=4k seek=$((128 + $3)) conv=notrunc \
    oflag=direct 2>/dev/null
  block "$2" "$3" | cmp -s - /tmp/new && seen=$((seen + 1))
}
for i in $(seq 25); do
  over sda xvda "$i"
  over xvda sda "$i"
done
echo "JOB: seen by the other path: $seen of 50"
