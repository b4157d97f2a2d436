#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: the flush-correctness VM on three stacks, on the same device, twice
# each: on the device itself, of which another name (dm-linear) tells what has
# been written to it; and on a loop device above it, whose volatile write cache is
# the device's page cache: then that name tells what a power cut leaves.
set -u
. /lab/checks.sh
export top_builddir=/lab/vm
PATH=/lab/vm:$PATH
raw=/dev/mapper/raw taps=()

# Nothing is written back that nobody asks for.
echo 0 > /proc/sys/vm/dirty_writeback_centisecs
dmsetup create raw --noudevsync \
  --table "0 $(blockdev --getsz /dev/vda) linear /dev/vda 0"
dmsetup mknodes

# vm STACK KIND OPTION...
vm() {
  local tap=/tmp/$1-$2.tap
  flow "vm $1 $2"
  sync
  echo 3 > /proc/sys/vm/drop_caches
  try /lab/vm/run --tap "$tap" "${@:3}"
  check "$1 $2: the VM comes to its end" grep -q '^1\.\.' "$tap"
  taps+=("$1=$tap")
}
stack() {
  local cache
  vm "$1" device --device $raw --plan idle "$1" /dev/vda
  cache=$(losetup -f --show /dev/vda)
  vm "$1" cache --left $raw --plan busy "$1" "$cache"
  losetup -d "$cache"
}

start_vbdd
stack vbdd
end_vbdd
stack qdisk
insmod /lab/vm/xen-blkback.ko
stack blkback
echo "LAB: Xen $(xl info xen_version), Linux $(uname -r)," \
  "$(/usr/libexec/xen-qemu-system-i386 --version | head -n 1)"
/lab/vm/table "${taps[@]}" | sed 's/^/TABLE: /'
finish
