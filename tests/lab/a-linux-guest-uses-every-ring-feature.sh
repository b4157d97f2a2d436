#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: Linux's own blkfront, in one booted guest, takes from us what it is
# configured for: 2 queues, rings of 16 pages, 256 indirect segments,
# persistent grants, 4096-byte sectors; its data is right in each combination,
# on the target too; and its fstrim gives the target's space back.
# Source: blkif.h; Linux's xen-blkfront, which nobody here wrote.
# Mechanism: disks come and go by xl block-attach and block-detach, each with
# options of its own; the guest says what its driver says of them. It needs
# much memory: with persistent grants Linux sets aside 257 pages for each of
# 512 slots of each queue.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 512M "$disk"
    mkfs.ext4 -q -F -E nodiscard "$disk"
}
run_lab_kept prepare -- --timeout 900 \
    --guest-copy "$lab/guest-rings.sh:/job" "$lab/dom0-rings.sh"

takes() { # DEVICE WHAT QUEUES PAGES-ORDER PERSISTENT INDIRECT SECTOR
    says "$1 ($2): its dmesg line says so" \
         "JOB: blkfront: $1: .*persistent grants: $5; indirect descriptors: $6"
    says "$1: $3 queues" "JOB: $1: $3 queues"
    says "$1: a ring of order $4" "LAB: $1: ring order $4"
    says "$1: sectors of $7 bytes" "JOB: $1: sectors $7"
    says "$1: its data reads back in the guest" "JOB: $1: data reads back"
    says "$1: and is on the target" "LAB: $1: target is as the guest left it"
    says "$1: fstrim gives the target's space back" "LAB: $1: fstrim"
}
takes xvda "one page, direct segments" 1 0 disabled disabled 512
takes xvdb "everything, copied" 2 4 disabled enabled 512
takes xvdc "everything, persistent" 2 4 enabled enabled 512
takes xvdd "everything, mapped" 2 4 disabled enabled 512
takes xvde "native 4K" 2 4 disabled enabled 4096
says "requests of 256 segments are made" "JOB: xvdb: segments 256"
says "the guest's job succeeds" "GUEST: exit 0"
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
