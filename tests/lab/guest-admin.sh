#!/bin/sh
# SPDX-License-Identifier: MIT
# What the guest of an-administrator-has-only-the-man-pages.sh does: it writes
# to each disk that it is given, and stays until it is destroyed.
say() { echo "JOB: $*"; }
for disk in xvda xvdb xvdc; do
  until grep -q "$disk\$" /proc/partitions; do sleep 0.2; done
  dd if=/bin/busybox of=/dev/$disk bs=64k conv=fsync 2>/dev/null &&
    say "$disk: written"
done
sleep 1000
