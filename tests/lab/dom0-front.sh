#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: vbdfront and the conformance run in a Linux guest whose kernel leaves
# its disks alone, against three back ends, each with two disks of the guest
# that are the same target.
set -u
. /lab/checks.sh
limit=/sys/module/xen_gntalloc/parameters/limit

prepare() {
  local all=queues=4,ring-page-order=4,indirect-segments=256,grants=persistent,
  start_vbdd
  config one "$(line xvda "$all/dev/vda")\", \"$(line xvdb /dev/vda)\",
    \"$(qdisk xvdc /dev/vdb)\", \"$(qdisk xvdd /dev/vdb)"
  # a PV guest: it is faster under emulation, which does not lose it
  sed -i 's/^type = .*/type = "pv"/; s/^memory = .*/memory = 256/
    s/loglevel=3/& without=xen-blkfront/' /tmp/one.cfg
  try xl create /tmp/one.cfg
  tail -F /var/log/xen/console/guest-one.log 2>/dev/null |
    while read -r line; do
      [ "$line" = "${line#xvd}" ] || echo "GUESTLOG: $line"
    done &
  check "a guest boots" up one
}

# in the guest: front VDEV WORD...; front_fails PATTERN VDEV WORD...
front() { ask one "vbdfront --vdev $*"; }
front_fails() {
  local pattern=$1
  shift
  try front "$@"
  failed_with "$pattern"
}
# The run takes longer than `ask` waits.
conformance() { # TESTED WITNESS
  ask one "{ conformance-guest $1 $2 2>&1 | sed 's/^/$1: /'
    ; } >/dev/console 2>&1 &"
  wait_for 300 has_run "$1"
  console one | grep "^$1: " >/tmp/conformance
  grep -q "^$1: 1\.\." /tmp/conformance &&
    is_not grep "^$1: not ok" /tmp/conformance
}
has_run() { console one | grep -q "^$1: 1\.\." || is_not lives one; }
sum_of() { # TARGET SECTOR: of 128 sectors, from the device itself
  dd if="$1" bs=512 skip="$2" count=128 iflag=direct 2>/dev/null | sha256sum
}

# part NAME TESTED WITNESS TARGET
part() {
  local sum
  flow "$1"
  check "$1: vbdfront info" try front "$2" info
  ask one 'dd if=/dev/urandom of=/tmp/data bs=512 count=128 2>/dev/null'
  sum=$(ask one 'sha256sum </tmp/data')
  check "$1: write --fua" try front "$2" write 1000 --fua '</tmp/data'
  check "$1: its data is on the target" equal "$(sum_of "$4" 1000)" "$sum"
  check "$1: write, then flush" \
    try ask one "vbdfront --vdev $2 write 2001 </tmp/data &&
      vbdfront --vdev $2 flush"
  check "$1: that is there, too" equal "$(sum_of "$4" 2001)" "$sum"
  dd if=/dev/urandom of="$4" bs=512 seek=3000 count=128 oflag=direct 2>/dev/null
  check "$1: what dom0 writes is read" equal \
    "$(front "$2" read 3000 128 '| sha256sum')" "$(sum_of "$4" 3000)"
  check "$1: verify --stamp" try front "$2" verify --stamp --from 1
  check "$1: the conformance run passes" conformance "$2" "$3"
  echo "LAB: $1: $(grep -c ': ok' /tmp/conformance) claims hold, of which $(
    grep -c SKIP /tmp/conformance) are skipped; $(
    cut -d' ' -f1 /proc/uptime) s"
}

lacking_modules() {
  flow a guest without what it takes
  check "without xen-gntalloc vbdfront says so" front_fails \
    "/dev/xen/gntalloc cannot be used.*xen-gntalloc" xvda info
  ask one 'modprobe xen-gntalloc'
  check "without xen-evtchn, too" front_fails \
    "/dev/xen/evtchn cannot be used.*xen-evtchn" xvda info
  ask one 'modprobe xen-evtchn'
}

what_can_be_wrong() {
  flow what can be wrong
  check "a disk that is not there" front_fails "there is no disk xvdz after" \
    xvdz --timeout 1 info
  ask one "echo 8 >$limit"
  check "the kernel's limit is too low for a ring" front_fails \
    "grants no more pages.*$limit, is 8" xvda info
  ask one "echo 24 >$limit"
  check "just enough, and it goes on" \
    try front xvda verify --stamp --from 4000 --count 2000
  check "and it says what is scarce" says "$said" "$limit, is 24"
  ask one "echo 1024 >$limit"
  ask one '{ sleep 8 | vbdfront --vdev xvda info --follow; } >/dev/null 2>&1 &
    sleep 2'
  check "another process has the disk" front_fails \
    "another process of this guest has the device" xvda info
  ask one 'sleep 8'
  check "until it ends" try front xvda info
  ask one '{ sleep 20 | vbdfront --vdev xvda info --follow; } >/dev/null 2>&1 &
    sleep 2; kill -9 $(pidof vbdfront)'
  check "one that was killed is not in the way" try front xvda info
}

# After it the kernel leaves the disks alone again.
kernel_has_it() {
  flow the kernel has the disk
  ask one 'modprobe xen-blkfront; sleep 3; ls /dev/xvd*'
  check "its kernel has the disk" front_fails \
    "echo vbd-51712 >/sys/bus/xen/drivers/vbd/unbind" xvda info
  ask one 'for name in /sys/bus/xen/drivers/vbd/vbd-*; do
      echo "${name##*/}" >/sys/bus/xen/drivers/vbd/unbind; done'
  check "what the sentence says helps" try front xvda info
  check "and then its data is right" \
    try front xvda verify --stamp --from 4000 --count 500
  ask one 'rmmod xen_blkfront'
}

change_to_blkback() {
  try xl block-detach one xvda
  try xl block-detach one xvdb
  end_vbdd
  load_blkback
  try xl block-attach one "$(plain xvde /dev/vdc)"
  try xl block-attach one "$(plain xvdf /dev/vdc)"
}

prepare
lacking_modules
kernel_has_it
part vbdd xvda xvdb /dev/vda
what_can_be_wrong
part qdisk xvdc xvdd /dev/vdb
change_to_blkback
part xen-blkback xvde xvdf /dev/vdc
check "the guest lives" lives one
xl destroy one
finish
