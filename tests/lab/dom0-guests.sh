# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts in dom0 share that start guests of several kinds, one after
# the other, each with the job guest-use.sh (/lab/guests.sh there).
console=/var/log/xen/console/guest-guest.log
line=format=raw,access=rw,backendtype=phy,script=block-vbdd
boot_disk=/dev/vda1 data_disk=/dev/vda2

# may_boot CONFIG [FILE...]: what is in the boot partition, grub.cfg and kernels
may_boot() {
  mount -t ext2 $boot_disk /mnt || exit 1
  mkdir -p /mnt/boot/grub
  printf '%s\n' 'set timeout=0' "echo \"GRUB on \$grub_cpu-\$grub_platform\"" \
    "$1" boot > /mnt/boot/grub/grub.cfg
  shift
  [ $# = 0 ] || cp "$@" /mnt/boot/
  umount /mnt
}

# create_guest LINE...: of its configuration, beside those that all have
create_guest() {
  : > $console
  printf '%s\n' 'name = "guest"' 'on_reboot = "destroy" # a triple fault' \
    'memory = 256' 'vcpus = 1' "$@" > /tmp/guest.cfg
  echo "LAB: create at $(cut -d' ' -f1 /proc/uptime) s"
  xl create /tmp/guest.cfg
  domid=$(xl domid guest)
}

# await_job STAMP: until the guest has done its job and waits for us; the script
# ends here if it never does
await_job() {
  local i
  for i in $(seq 480); do
    grep -q "JOB: $1 is done" $console && break
    grep -q 'GUEST: exit' $console && break
    [ $((i % 10)) = 0 ] && is_gone && break
    sleep 0.5
  done
  echo "LAB: $1 has ended at $(cut -d' ' -f1 /proc/uptime) s"
  tr -d '\033' < $console | sed 's/^/GUESTLOG: /'
  grep -q "JOB: $1 is done" $console && return
  explain_silence $console
  stop_vbdd
  exit 1
}

# end_guest: it powers itself off
end_guest() {
  echo > "$(xenstore-read "/local/domain/$domid/console/tty")"
  for _ in $(seq 100); do is_gone && break; sleep 0.2; done
  is_gone || { echo "LAB: the guest does not end"; xl destroy guest; }
  for _ in $(seq 100); do
    vbdctl list | grep -q /dev/vda || return
    sleep 0.1
  done
}

# look_at_target STAMP...: which must all be there
look_at_target() {
  local stamp
  e2fsck -f -n $data_disk && echo "LAB: after ${*: -1}: e2fsck clean"
  mount -t ext4 -o ro $data_disk /mnt || return
  for stamp; do
    stamps "$stamp" | cmp - "/mnt/stamps-$stamp" &&
      echo "LAB: after ${*: -1}: the target has stamps $stamp"
  done
  umount /mnt
}
