#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: a guest fsyncs files on a disk whose flushes fail, for a while or for
# good. $frail is a volume over /dev/vda whose last sectors dm-flakey can take
# away: device-mapper sends each flush to all parts of a volume, so all flushes
# fail then, and nothing else does.
set -u
export DM_DISABLE_UDEV=1
. /lab/checks.sh
modprobe dm-flakey
frail=/dev/mapper/frail
guests=$(cat /lab/rounds) # each has two attaches, and 10 fsyncs

# What is written goes to the device, or is lost like in a cache without power.
# (flakey's numbers: 0 s up, 1 s down, and so on; one word.)
good='0 131072 linear /dev/vda 0'
fails='131064 8 flakey /dev/vda 131064 0 1 1 error_writes'
keeps='0 131064 linear /dev/vda 0'
drops='0 131064 flakey /dev/vda 0 0 1 1 drop_writes'
become() { # LINE...: of the volume's table
  printf '%s\n' "$@" | dmsetup reload frail && dmsetup resume frail
}

# fsync N: in the background; outcome N: what it has come to
fsync() { ask one "fsync-file $1 >/dev/null 2>&1 &"; }
outcome() { console one | sed -n "s/^FSYNC: $1 //p"; }
has_said() { [ -n "$(outcome "$1")" ]; }
succeeds() { # N
  wait_for 20 has_said "$1"
  equal "$(outcome "$1")" ok
}
counted() { # WHAT: of the disk
  vbdctl --json stats "$(xl domid one)/xvda" |
    grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}
has_failed_flushes() { [ "$(counted flush_failures)" -gt "$1" ]; }
is_fail_stopped() { vbdctl show "$(xl domid one)/xvda" | grep -q fail-stop; }
flushes_still() { # the guest
  ask one 'grep -q "write back" /sys/block/xvda/queue/write_cache &&
    ! dmesg | grep -E "flush: disabled|op failed"'
}

# --- one attach ---------------------------------------------------------------

# A flush fails until the device has recovered: files N to N + 4.
recovers() { # N
  local n=$1 failures flushes
  fsync "$n"
  check "fsync $n succeeds" succeeds "$n"
  for n in $((n + 1)) $((n + 3)); do
    failures=$(counted flush_failures)
    become "$keeps" "$fails"
    fsync "$n"
    check "its flush fails" wait_for 20 has_failed_flushes "$failures"
    check "fsync $n waits" is_not has_said "$n"
    become "$good"
    check "and succeeds when the device has recovered" succeeds "$n"
    flushes=$(counted engine_flushes)
    fsync $((n + 1))
    check "fsync $((n + 1)) succeeds" succeeds $((n + 1))
    check "its flush reaches the device" \
      [ "$(counted engine_flushes)" -gt "$flushes" ]
  done
  check "the guest has not switched flushes off" flushes_still
}

# It fails for good, with what was written: the last two of files N to N + 4.
fails_for_good() { # N
  local n
  for n in $(seq "$1" $(($1 + 2))); do
    fsync "$n"
    check "fsync $n succeeds" succeeds "$n"
  done
  become "$drops" "$fails"
  fsync $((n + 1))
  check "the disk goes into fail-stop" wait_for 20 is_fail_stopped
  fsync $((n + 2))
  check "reads fail" ask one \
    '! dd if=/dev/xvda of=/dev/null bs=4k count=1 iflag=direct'
  sleep 3
  for n in $((n + 1)) $((n + 2)); do
    check "fsync $n does not succeed" is_not equal "$(outcome $n)" ok
  done
  check "the guest has not switched flushes off" flushes_still
}

# --- what is durable ----------------------------------------------------------

# What a guest would find on the device itself.
look_below() {
  umount /mnt 2>/dev/null
  dd if=/dev/vda of=/tmp/below bs=1M iflag=direct 2>/dev/null
  e2fsck -f -y /tmp/below >/tmp/fsck 2>&1
  mount -t ext4 -o loop,ro /tmp/below /mnt
}
is_durable() { yes "file $1" | head -c 5000 | cmp - "/mnt/$1"; } # N
# judge FIRST LAST: how many fsyncs of these files came back, and of how many
# files the data is there: $succeeded and $lied, $lost
judge() {
  local n
  succeeded=0 lied=0 lost=0
  check "the device below can be read" look_below
  for n in $(seq "$1" "$2"); do
    is_durable "$n" 2>/dev/null || lost=$((lost + 1))
    [ "$(outcome "$n")" = ok ] || continue
    succeeded=$((succeeded + 1))
    is_durable "$n" || lied=$((lied + 1))
  done
  echo "LAB: fsyncs $1 to $2: $succeeded succeeded, $lied of them of data" \
    "that is not durable; $lost files are lost"
}

# --- attaching ----------------------------------------------------------------

start_guest() { # COMMAND: which makes the file system, if there is none
  config one "$(line xvda "flush-retry=30s,$frail")"
  try xl create /tmp/one.cfg
  check "a guest boots" up one
  check "with its file system" ask one \
    "has xvda && $1 && mount -t ext4 /dev/xvda /mnt"
}
# It cannot shut down: its flush is never answered.
end_guest() {
  try xl destroy one
  check "the guest is destroyed, and the disk is free" \
    wait_for 20 is_not serves $frail
  become "$good"
}
attach_anew() { # RETRY
  ask one 'umount /mnt'
  xl block-detach one xvda
  wait_for 20 is_not serves $frail
  xl block-attach one "$(line xvda "flush-retry=$1,$frail")"
  ask one 'has xvda && mount -t ext4 /dev/xvda /mnt'
}

dmsetup create frail --table "$good"
start_vbdd
make='mkfs.ext4 -q -F -E nodiscard /dev/xvda 60M' # not the last sectors
for ((first = 1; first < guests * 10; first += 10)); do
  flow "files $first to $((first + 9))"
  start_guest "$make"
  make=true
  recovers "$first"
  check "the disk is attached anew" attach_anew 1s
  fails_for_good $((first + 5))
  end_guest
done
nr=$((guests * 10))
judge 1 $nr
check "8 of 10 fsyncs have succeeded, and all their data is durable" \
  equal "$succeeded $lied" "$((guests * 8)) 0"
check "that of the others is lost: success would have been a lie" \
  equal $lost $((guests * 2))

flow "a failed flush that is OK"
check "vbdd ends cleanly" end_vbdd
start_vbdd --worker /lab/worker
start_guest true
become "$drops" "$fails"
fsync $((nr + 1))
wait_for 20 has_said $((nr + 1))
end_guest
judge $((nr + 1)) $((nr + 1))
check "this test would see such a lie" equal "$succeeded $lied" "1 1"
check "vbdd ends cleanly" end_vbdd
finish
