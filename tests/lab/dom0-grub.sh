#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: a PVH guest whose kernel= is GRUB, which finds Linux on its disk.
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

may_boot 'linux /boot/vmlinuz console=hvc0 loglevel=6 disk=xvda2 stamp=grub make=yes
initrd /boot/guest.cpio.gz' /lab/vmlinuz /lab/guest.cpio.gz
touch /tmp/watching
watch_abi &
watcher=$!
create_guest 'type = "pvh"' 'kernel = "/lab/grub.bin"' \
  "disk = ['vdev=xvda,$line,target=/dev/vda']"
await_job grub
vbdctl stats "$domid/xvda" | sed "s/^/LAB: grub: /"
rm /tmp/watching
wait $watcher
echo "LAB: grub: ABIs $(grep -v -e - /tmp/abi | uniq | xargs)"
end_guest
look_at_target grub
stop_vbdd
