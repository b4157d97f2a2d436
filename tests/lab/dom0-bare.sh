#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: the guest of frontend/port-hvm/example, as PVH and as HVM guest, with
# disks from vbdd, QEMU and the kernel.
set -u
. /lab/checks.sh

# bare NAME TYPE DISK...: creates it
bare() {
  local name=$1 type=$2 disks
  shift 2
  disks=$(printf '"%s",' "$@")
  cat > "/tmp/$name.cfg" <<END
name = "$name"
type = "$type"
kernel = "/lab/bare"
memory = 64
vga = "none"
vnc = 0
disk = [$disks]
END
  try xl create "/tmp/$name.cfg"
}
heard() { console "$1" | grep -q -E -e "^EXAMPLE: $2"; }
hears() { wait_for "${3:-60}" heard "$1" "$2"; }
times_heard() { # NAME PATTERN TIMES
  equal "$(console "$1" | grep -c -E -e "^EXAMPLE: .*$2")" "$3"
}
# Each operation of DEVICE has been done, TIMES in each of the two ways to sleep.
has_done() { # NAME DEVICE TIMES OPERATION...
  local name=$1 device=$2 times=$3 operation
  shift 3
  for operation; do
    equal "$operation $(console "$name" |
      grep -c "device/vbd/$device: $operation: good")" "$operation $((2 * times))" ||
      return
  done
  ! heard "$name" ".*$device: .*: error"
}
sleeps() { # NAME: blocked whenever we look; and it has not done so in vain
  local _
  ! heard "$1" "sleep: bad" || return
  for _ in 1 2 3 4 5; do
    sleep 0.3
    [[ $(state_of "$1") == *b* ]] || { xl list; return 1; }
  done
}
end() { # NAME DEVICE...
  local name=$1 device
  shift
  try xl shutdown "$name"
  check "$name: it powers itself off" hears "$name" end
  for device; do
    check "$name: $device was disconnected" \
      heard "$name" "device/vbd/$device: disconnect: good"
  done
  wait_for 20 is_not lives "$name"
  console "$name" | sed "s/^/GUESTLOG: /"
}
# Are the example's lines on TARGET, so many of them?
has_lines() { # TARGET NR
  awk -v nr="$2" 'BEGIN { for (i = 0; i < nr; i++) printf "%015d\n", i }' |
    cmp -n $((16 * $2)) - "$1"
}
with_barrier=$((65536 + 2048)) without=65536

start_vbdd

flow "PVH, with disks from vbdd and QEMU"
bare pvh pvh "$(line xvda /dev/vda)" "$(qdisk xvdb /dev/vdb)"
check "pvh: it comes up" hears pvh ready
check "pvh: it knows its number" heard pvh "domain $(xl domid pvh) on Xen 4\."
check "pvh: there is nothing to unplug" heard pvh "unplug 19"
check "pvh: vbdd's disk does all" \
  has_done pvh 51712 1 write read flush barrier discard
check "pvh: QEMU's disk does all" has_done pvh 51728 1 write read flush
check "pvh: it sleeps" sleeps pvh

flow "saved"
try xl save -c pvh /tmp/pvh.save
check "pvh: a suspend that is cancelled is seen as such" \
  hears pvh "not suspended, domain $(xl domid pvh)"
check "pvh: it goes on" hears pvh "ready again"
check "pvh: on vbdd's disk" has_done pvh 51712 2 write read flush barrier
before=$(xl domid pvh)
try xl save pvh /tmp/pvh.save
try xl restore /tmp/pvh.save
check "pvh: restored, it has another number" [ "$(xl domid pvh)" != "$before" ]
check "pvh: and knows it" hears pvh "restored as domain $(xl domid pvh)"
check "pvh: it goes on" wait_for 60 times_heard pvh "ready again" 2
check "pvh: with both disks" times_heard pvh "resume: good" 2
check "pvh: vbdd's disk does all" has_done pvh 51712 3 write read flush barrier
check "pvh: QEMU's disk does all" has_done pvh 51728 3 write read flush
end pvh 51712 51728
check "pvh: the lines are on vbdd's target" has_lines /dev/vda $with_barrier
check "pvh: the lines are on QEMU's target" has_lines /dev/vdb $without

flow "HVM, by QEMU's multiboot loader"
dd if=/dev/zero of=/dev/vda bs=1M count=2 2>/dev/null
bare hvm hvm "$(line hda /dev/vda)"
check "hvm: it comes up" hears hvm ready 120
check "hvm: the emulated disk is unplugged" heard hvm "unplug 0"
check "hvm: vbdd's disk does all" \
  has_done hvm 768 1 write read flush barrier discard
check "hvm: it sleeps" sleeps hvm
end hvm 768
check "hvm: the lines are on vbdd's target" has_lines /dev/vda $with_barrier
end_vbdd

flow "PVH, with a disk from the kernel"
dd if=/dev/zero of=/dev/vdb bs=1M count=2 2>/dev/null
load_blkback
bare linux pvh "$(plain xvda /dev/vdb)"
check "linux: it comes up" hears linux ready
check "linux: xen-blkback's disk does all" has_done linux 51712 1 write read flush
end linux 51712
check "linux: the lines are on the kernel's target" has_lines /dev/vdb $without
finish
