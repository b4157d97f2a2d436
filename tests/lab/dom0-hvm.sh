#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: an HVM guest that boots from its emulated disk and changes to the PV
# disk; one that uses both at a time; which emulated disks there are for which
# vdev; and a guest on its emulated disk alone.
set -u
. /lab/lib.sh
. /lab/guests.sh
hvm=('type = "hvm"' 'vga = "none"' 'vnc = 0')
start_vbdd

# qemu_of NAME: QEMU's arguments, one a line; not one of them, and no file that
# it has open, may be a target
qemu_of() {
  local pid
  pid=$(xenstore-read "/local/domain/$(xl domid "$1")/image/device-model-pid")
  tr '\0' '\n' < "/proc/$pid/cmdline" > /tmp/qemu
  echo "LAB: $2: targets that QEMU is told: $(grep -c -e /dev/ -e /tmp/ /tmp/qemu)"
  ls -l "/proc/$pid/fd" > /tmp/open
  echo "LAB: $2: targets that QEMU has open: $(
    grep -c -e /dev/vd -e /tmp/ /tmp/open) of $(grep -c -e '->' /tmp/open)"
  grep '^file=' /tmp/qemu | sed "s/^/LAB: $2: QEMU: /"
  echo "LAB: $2: emulated: $(
    sed -n 's|^file=nbd.*/nbd/[0-9]*-\([a-z]*\),.*|\1|p' /tmp/qemu | xargs)"
}
counted() { # STAMP VDEV
  vbdctl show "$domid/$2" | sed "s/^/LAB: $1: /"
  vbdctl stats "$domid/$2" | sed "s/^/LAB: $1: /"
}
# starts STAMP OPTION...: in GRUB's words
starts() {
  echo "linux /boot/vmlinuz console=hvc0 loglevel=6 disk=xvda2 stamp=$*"
  echo "initrd /boot/guest.cpio.gz"
}

# --- from the emulated disk to the PV disk ---
# GRUB comes from IDE, which the BIOS reads sector by sector, and the kernel from
# SCSI, which it does not: 15 s instead of a minute.
truncate -s 16M /tmp/kernels
mkfs.ext2 /tmp/kernels >/dev/null
mount -t ext2 -o loop /tmp/kernels /mnt && mkdir /mnt/boot &&
  cp /lab/vmlinuz /lab/guest.cpio.gz /mnt/boot && umount /mnt
may_boot "set root=(hd1)
$(starts pv make=yes)"
create_guest "${hvm[@]}" 'boot = "c"' "disk = [
  'vdev=hda,$line,target=emulated-after-handover=refuse,/dev/vda',
  'vdev=sdb,$line,target=buffered=yes,/tmp/kernels']"
qemu_of guest pv
await_job pv
counted pv hda
counted "pv's second" sdb
# in the gap before the first partition, should it be let in
vbdverify --nbd "$(vbdctl nbd "$domid/hda")" --range 1024+8 --ops 1 \
  2>&1 | sed 's/^/LAB: late: /'
vbdctl show "$domid/hda" | sed 's/^/LAB: late: /'
end_guest
look_at_target pv

# --- both at a time: vdev=xvda, and Linux is told not to unplug ---
may_boot "$(starts both xen_emul_unplug=unnecessary first=both-paths)" \
  /lab/vmlinuz /lab/guest.cpio.gz
create_guest "${hvm[@]}" 'hdtype = "ahci"' 'boot = "c"' \
  "disk = ['vdev=xvda,$line,target=/dev/vda']"
qemu_of guest both
await_job both
counted both xvda
end_guest
look_at_target pv both

# --- which disks are emulated, and how ---
# paused KIND LINE VDEV...: a guest that has QEMU, and does not run
paused() {
  local kind=$1 extra=$2 vdev disks=
  shift 2
  for vdev; do
    truncate -s 16M "/tmp/target-$vdev"
    disks="$disks'vdev=$vdev,$line,target=buffered=yes,/tmp/target-$vdev',"
  done
  create_paused "$extra" "disk = [$disks]" || return
  qemu_of paused "$kind"
  echo "LAB: $kind: disks that are served: $(vbdctl list | grep -c /tmp/target)"
  xl destroy paused
}
create_paused() { # LINE...
  printf '%s\n' 'name = "paused"' "${hvm[@]}" 'memory = 64' "$@" > /tmp/paused.cfg
  xl create -p /tmp/paused.cfg
}
paused "five on IDE" '' hda xvdb hdc xvdd xvde
paused "two on AHCI" 'hdtype = "ahci"' xvda xvdf
paused "SCSI" '' sda
readonly=${line/access=rw/access=ro}
create_paused "disk = ['vdev=hda,$readonly,target=buffered=yes,/tmp/target-hda']" \
  2>&1 | sed 's/^/LAB: read-only: /'
for _ in $(seq 50); do vbdctl list | grep -q target || break; sleep 0.1; done
echo "LAB: disks that are left: $(vbdctl list | grep -c target)"

# --- the emulated disk alone ---
create_guest "${hvm[@]}" 'kernel = "/lab/vmlinuz"' \
  'ramdisk = "/lab/guest.cpio.gz"' \
  'extra = "console=hvc0 loglevel=6 xen_emul_unplug=never disk=sda2 stamp=ide"' \
  "disk = ['vdev=hda,$line,target=/dev/vda']"
qemu_of guest ide
await_job ide
counted ide hda
end_guest
look_at_target pv both ide
stop_vbdd
