#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: guests that have one disk twice write to it by both paths, while
# dm-log-writes below vbdd logs what reaches it. Each run has a disk of the lab,
# with the target (64 MiB), the log (256 MiB) and the guest's history (8 MiB).
set -u
export DM_DISABLE_UDEV=1
. /lab/checks.sh
modprobe dm-log-writes

slice() { # NAME DEVICE FIRST-SECTOR SECTORS
  dmsetup create "$1" --table "0 $4 linear $2 $3"
}
lay_out() { # RUN DEVICE
  slice "$1-below" "$2" 0 131072
  slice "$1-log" "$2" 131072 524288
  slice "$1-history" "$2" 655360 16384
  dmsetup create "$1" --table \
    "0 131072 log-writes /dev/mapper/$1-below /dev/mapper/$1-log"
}
# The log is complete when its device is gone.
take_up() { # RUN
  wait_for 20 is_not serves "/dev/mapper/$1" &&
    dmsetup remove "$1" && dmsetup remove "$1-log" &&
    dmsetup remove "$1-below" && dmsetup remove "$1-history"
}
disks() { # RUN VDEV...: its target as each of them, and xvde for the history
  local run=$1 vdev list=
  shift
  for vdev; do list+="$(line "$vdev" "/dev/mapper/$run")\",\""; done
  echo "$list$(line xvde "/dev/mapper/$run-history")"
}

is_over() { console "$1" | grep -q 'POWER: ended' || is_not lives "$1"; }
has_written() { # GUEST: or what it has said last
  console "$1" | grep -q 'POWER: ended: all' ||
    { console "$1" | tail -n 15; lives "$1" || echo "it is gone"; false; }
}
# run NAME PATH OTHER FILES OPERATIONS: the guest's; /tmp/NAME.cfg is there
run() {
  flow "$@"
  try xl create "/tmp/$1.cfg"
  check "$1: the guest boots" eval "booted $1 || booted $1"
  check "$1: and writes" ask "$1" \
    "power-load $2 $3 $4 $5 xvde >/dev/console 2>&1 &"
  wait_for 240 is_over "$1"
  console "$1" | sed -n 's/^POWER/LAB: POWER/p'
  check "$1: all is written" has_written "$1"
  vbdctl stats | sed 's/^/LAB:   /'
  try xl destroy "$1"
  check "$1: the log is complete" take_up "$1"
}
with_worker() { # OPTION...: another vbdd
  check "vbdd ends cleanly" end_vbdd
  start_vbdd "$@"
}

lay_out rings /dev/vda
lay_out bug /dev/vdb
lay_out ide /dev/vdc
start_vbdd
config rings "$(disks rings xvda xvdb)"
run rings xvda xvdb 40 1000

with_worker --worker /lab/worker
config bug "$(disks bug xvda xvdb)"
run bug xvda xvdb 24 600

with_worker
config ide "$(disks ide xvda)" 'vga = "none"' 'vnc = 0'
sed -i 's/"pvh"/"hvm"/
  s/loglevel=3/loglevel=3 xen_emul_unplug=unnecessary/' /tmp/ide.cfg
run ide xvda sda 40 1000
check "vbdd ends cleanly" end_vbdd
finish
