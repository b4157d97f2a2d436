#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: PVH guests whose kernel= is GRUB, which finds a kernel on their disk:
# Linux for x86_64 and then, if it is here, for i386.
set -u
. /lab/lib.sh
. /lab/guests.sh
start_vbdd
vbdctl log-level debug

# watch_abi: which one the front end has, until nobody watches any more
watch_abi() {
  while [ -e /tmp/watching ]; do
    vbdctl features | awk '$1 == "abi" { print $3 }'
    sleep 0.2
  done > /tmp/abi
}
# linux_of ARCHITECTURE KERNEL INITRD OPTION LINE
linux_of() {
  may_boot "linux /boot/${2##*/} console=hvc0 loglevel=6 disk=xvda2 stamp=$1 $4
initrd /boot/${3##*/}" "$2" "$3"
  touch /tmp/watching
  watch_abi &
  watcher=$!
  create_guest 'type = "pvh"' "$5" 'kernel = "/lab/grub.bin"' \
    "disk = ['vdev=xvda,$line,target=/dev/vda']"
  await_job "$1"
  vbdctl stats "$domid/xvda" | sed "s/^/LAB: $1: /"
  rm /tmp/watching
  wait $watcher
  echo "LAB: $1: ABIs $(grep -v -e - /tmp/abi | uniq | xargs)"
  end_guest
}

linux_of amd64 /lab/vmlinuz /lab/guest.cpio.gz make=yes ''
look_at_target amd64
if [ -e /lab/vmlinuz-i386 ]; then
  linux_of i386 /lab/vmlinuz-i386 /lab/guest-i386.cpio.gz '' 'hap = 0'
  look_at_target amd64 i386
fi
stop_vbdd
