#!/bin/bash
# SPDX-License-Identifier: MIT
# In the Debian dom0: a guest that pygrub boots from its disk, which is scratch
# from then on; xendomains saves and restores it; the machine is shut down.
set -u
. /lab/units.sh
image=/root/one.img

# pygrub reads the boot loader's files in dom0, where libxl attaches the disk
# for it.
pygrub() {
  flow pygrub
  mkdir -p /root/one/boot/grub
  cp /lab/vmlinuz /lab/guest.cpio.gz /root/one/boot/
  cat > /root/one/boot/grub/grub.cfg <<END
set timeout=1
menuentry 'Linux' {
    linux /boot/vmlinuz console=hvc0 loglevel=3 found=by-pygrub
    initrd /boot/guest.cpio.gz
}
END
  mkfs.ext4 -q -F -d /root/one $image 64M
  config one "$(line xvda $image)" 'bootloader = "pygrub"'
  sed -i '/^kernel\|^ramdisk\|^extra/d' /tmp/one.cfg
  check "xl create succeeds with pygrub" try xl create /tmp/one.cfg
  check "dom0 has given the disk back" is_not serves '0/xvd.'
  check "the guest boots" booted one
  check "by what pygrub found" says "$(ask one 'cat /proc/cmdline')" by-pygrub
  check "the guest uses its disk" uses_its_disk
}

# Debian's way: xendomains saves the guests, and restores them.
domains() {
  flow xendomains
  check "systemctl stop xendomains saves the guest" \
    eval 'try systemctl stop xendomains && is_not lives one'
  check "vbdd has let its disk go" wait_for 10 is_not serves $image
  check "systemctl start xendomains restores it" \
    eval 'try systemctl start xendomains && lives one'
  check "the guest goes on with its disk" uses_its_disk
}

# The order of what follows is judged by who reads the console.
poweroff() {
  flow poweroff
  journalctl -f -n 0 -o short-monotonic | sed -u 's/^/JOURNAL: /' &
  sleep 1
  systemctl poweroff 2>/dev/null # logind is not there, it says first
}

pygrub
domains
finish_units
poweroff
