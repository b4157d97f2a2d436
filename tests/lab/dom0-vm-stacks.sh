#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: the flush-correctness VM on one stack after the other, on the same
# device. It is a loop device, whose volatile write cache is the page cache of the
# device below; by another name of that one (dm-linear) it is seen what a power
# cut leaves.
set -u
. /lab/checks.sh
export top_builddir=/lab/vm DM_DISABLE_UDEV=1
PATH=/lab/vm:$PATH
left=/dev/mapper/left taps=()

# Nothing is written back that nobody asks for.
echo 0 > /proc/sys/vm/dirty_writeback_centisecs
dmsetup create left \
  --table "0 $(blockdev --getsz /dev/vda) linear /dev/vda 0"
target=$(losetup -f --show /dev/vda)

for stack in $(cat /lab/stacks); do
  tap=/tmp/$stack.tap
  flow "vm $stack"
  case $stack in
  vbdd) start_vbdd ;;
  blkback) load_blkback ;;
  esac
  try /lab/vm/run --tap "$tap" --left $left --plan busy --timeout 300 \
    "$stack" "$target"
  check "$stack: the VM comes to its end" grep -q '^1\.\.' "$tap"
  taps+=("$stack=$tap")
  [ "$stack" != vbdd ] || end_vbdd
done
echo "LAB: Xen $(xl info xen_version), Linux $(uname -r)," \
  "$(/usr/libexec/xen-qemu-system-i386 --version | head -n 1)"
/lab/vm/table "${taps[@]}" | sed 's/^/TABLE: /'
finish
