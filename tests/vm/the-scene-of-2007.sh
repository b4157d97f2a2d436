#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: what a guest writes by int13 its PV side sees at once, and the other
# way round; a FLUSH covers both; nothing that was acknowledged is in the host's
# memory alone, for a power cut to take. On an ordinary stack none of that
# holds. The table says it.
# Source: xen-devel, November 2007; COHERENCY.md C2, C3, C5, C11.
# Mechanism: the same guest in the same machine (QEMU's pc, SeaBIOS, IDE) lives
# through the same story twice:
#  - ordinary: QEMU on /dev/loopN as libxl starts it (cache=writeback), the PV
#    side O_DIRECT on what is behind the loop: two caches for one disk, as with
#    blkback beside QEMU;
#  - vbdd: QEMU on the worker's NBD socket, the PV side a front end on a ring.
# (The ordinary stack would look better if the kernel wrote back its cache in
# the milliseconds between two steps; it waits for 30 s.)
#
# The disk is a file of a file system of its own, whose power can be cut: ext4
# is told to shut down as file systems' own crash tests do, and from then on
# nothing reaches its device any more, neither from a page cache nor from a
# journal. What is there after the next mount is what the power cut has left.
# Used through a loop device, the file is a disk with a volatile write cache
# (the file's page cache), which a FLUSH empties; used with O_DIRECT, it is one
# that keeps what it was given. Of what was not flushed O_DIRECT guarantees no
# more than that it has left the host's memory, so only the second disk can show
# that (C2). All sectors had been written before, since a first write into a
# hole of a file is there only with its metadata, which need a FLUSH anywhere.
unshare -m true 2>/dev/null && [ -z "${SCENE_MOUNTS:-}" ] &&
    SCENE_MOUNTS=private exec unshare -m "$0" # none outlives the test
. "$top_srcdir/tests/vm/lib.sh" || exit 99
needs "root that may mount file systems" unshare -m true
needs "a free loop device" losetup -f
trap 'stop_all; unmount; rm -rf "$work"' EXIT

# 2958215 is the sector of the report.
sector=2958215 seen_before=100000 neighbour=200000 by_bios=300000 by_pv=400000
file=$work/mnt/disk.img storage=$work/storage.img
declare -A cells
rows=()

# ---- the storage ----------------------------------------------------------

remount() { mount -o loop "$storage" "$work/mnt"; }

unmount() {
    case ${disk:-} in /dev/loop*) losetup -d "$disk" ;; esac
    disk=
    umount "$work/mnt" 2>/dev/null
}

# make_disk [cached]: $disk is it.
make_disk() {
    local at
    mkdir -p "$work/mnt"
    rm -f "$storage"
    truncate -s 2G "$storage"
    mkfs.ext4 -q "$storage" && remount && truncate -s 1445M "$file" || return
    disk=$file
    agent_into "$disk"
    for at in $sector $seen_before $neighbour $((neighbour + 1)) $by_bios \
              $by_pv; do
        int13ctl --writer 1 fill "$at" 1 | to_disk "$at"
    done
    sync "$disk" || return
    [ -z "${1:-}" ] || disk=$(losetup -f --show "$file")
}

to_disk() { dd of="$disk" oflag=direct conv=notrunc seek="$1" status=none; }
on_disk() {
    dd if="$disk" iflag=direct skip="$1" count=1 status=none | int13ctl look
}

# EXT4_IOC_SHUTDOWN, without flushing the journal. Whatever ends after that may
# do so politely.
cut_power() {
    perl -e 'open $dir, "<", $ARGV[0] or die "$!";
             ioctl $dir, 0x8004587d, $how = pack "L", 2 or die "$!"' "$work/mnt"
    stop_all
    unmount
    remount
    disk=$file
}

# ---- the two stacks -------------------------------------------------------

boot_ordinary() {
    local loop status
    pv_read() { on_disk "$1"; }
    pv_write() { int13ctl --writer 1 fill "$1" "$2" | to_disk "$1"; }
    pv_flush() { sync --data "$disk"; }
    loop=$(losetup -f --show "$disk") || return
    boot "$loop"
    status=$?
    losetup -d "$loop" # as soon as QEMU has ended
    return $status
}

boot_vbdd() {
    guest() { front --domid 1 --vdev hda "$@"; }
    pv_read() { guest read "$1" 1 | int13ctl look; }
    pv_write() { int13ctl --writer 1 fill "$1" "$2" | guest write "$1"; }
    pv_flush() { guest flush; }
    # flush-retry: nobody waits for a disk whose power has been cut
    start_platform && ctl attach --domid 1 --vdev hda --target "$disk" \
        --option flush-retry=100ms && boot "$(ctl nbd 1)"
}

engine_flushes() { ctl --json stats 1 | grep -o '"engine_flushes":[0-9]*'; }
handed_over() { ctl show 1 | grep -q '^handed_over *yes'; }

# Before the story: what only the worker can tell.
worker_tells() {
    local before
    before=$(engine_flushes)
    check "vbdd: the PV path reads the mailbox that int13 wrote at boot" \
        test "$(pv_read 63)" = "sector 63 writer 13 sequence 1"
    pv_write 63 2
    check "vbdd: and int13 what PV puts in" \
        test "$(agent mailbox)" = "sector 63 writer 1 sequence 2"
    check "vbdd: int13 writes" agent write $by_bios 1
    check "vbdd: the PV path reads that" test "$(pv_read $by_bios)" = \
        "sector $by_bios writer 13 sequence 1"
    check "vbdd: and nothing was flushed for it" \
        test "$(engine_flushes)" = "$before"
    check "vbdd: the guest flushes its IDE disk" agent flush
    check "vbdd: that was one flush of the engine" \
        test "$(engine_flushes)" = "${before%:*}:$((${before#*:} + 1))"
    check "vbdd: the guest powers off" power_off
    check "vbdd: its emulated disk is handed over, not lost" \
        wait_for handed_over
    check "vbdd: and taken again at the next boot" boot "$(ctl nbd 1)"
}

# ---- the story ------------------------------------------------------------

# row SENTENCE WORD COMMAND...: COMMAND tells a stamp: the second write, which
# was acknowledged, or the first one, which is called WORD then.
row() {
    local sentence=$1 word=$2 got
    shift 2
    got=$("$@" 2>&1)
    case $got in
    *" sequence 2") cells[$sentence,$stack]=SEEN ;;
    *" sequence 1") cells[$sentence,$stack]=$word ;;
    *) cells[$sentence,$stack]="?" && note "$stack: $sentence: $got" ;;
    esac
    [ "$stack" = vbdd ] || rows+=("$sentence")
}

story() {
    agent write $sector 2
    row "int13 writes sector $sector; PV reads it at once" STALE pv_read $sector
    agent flush
    row "... and after an ATA FLUSH CACHE" STALE pv_read $sector

    agent read $seen_before >"$work/out"
    pv_write $seen_before 2
    row "PV writes what int13 has read; int13 reads it again" STALE \
        agent read $seen_before
    pv_flush
    agent flush
    row "... and after a FLUSH on both paths" STALE agent read $seen_before

    agent read $neighbour >"$work/out"
    pv_write $((neighbour + 1)) 2
    pv_flush
    agent write $neighbour 2
    agent flush
    row "PV's flushed write, after int13 wrote the sector beside it" LOST \
        pv_read $((neighbour + 1))

    agent write $by_bios 2
    pv_flush
    cut_power
    row "int13's write, after PV FLUSHed and the power was cut" LOST \
        on_disk $by_bios
}

# On a disk that keeps what it was given.
epilogue() {
    agent write $by_bios 2
    pv_write $by_pv 2
    cut_power
    row "int13's write, not flushed, after the power was cut" LOST \
        on_disk $by_bios
    row "PV's write, not flushed, after the power was cut" LOST on_disk $by_pv
}

tell() {
    stack=$1
    make_disk cached && "boot_$stack" || bail "$stack: the guest does not boot"
    [ "$stack" = ordinary ] || worker_tells
    story
    unmount
    make_disk && "boot_$stack" || bail "$stack: the guest does not boot again"
    epilogue
    unmount
}

table() {
    local sentence line='# | %-58s | %-8s | %-4s |\n'
    # shellcheck disable=SC2059
    printf "$line" "what was done" ordinary vbdd "---" --- ---
    for sentence in "${rows[@]}"; do
        # shellcheck disable=SC2059
        printf "$line" "$sentence" "${cells[$sentence,ordinary]}" \
            "${cells[$sentence,vbdd]}"
    done
}

tell ordinary
tell vbdd
table
expected=(STALE SEEN STALE STALE LOST LOST LOST SEEN)
for i in "${!rows[@]}"; do
    name=${rows[i]}
    check "ordinary stack: $name: ${expected[i]}" \
        test "${cells[$name,ordinary]}" = "${expected[i]}"
    check "vbdd: $name: SEEN" test "${cells[$name,vbdd]}" = SEEN
done
finish
