#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: two device-mapper volumes over one device are two targets, attached
# side by side; the device below them is refused while a volume has it, and
# volumes over it while it is attached, in either order by the kernel's claim;
# a volume that is attached cannot be mounted or taken down.
# Source: C1, C12.
# Mechanism: dmsetup in the lab's dom0, because not every kernel has
# device-mapper; the disks are on the stand-in there.
. "$top_srcdir/tests/lab/lib.sh"
if [ -z "$(command -v dmsetup)" ]; then
    echo "1..0 # SKIP needs the package dmsetup"
    exit 0
fi
truncate -s 64M "$disk"
mkfs.ext4 -q -E offset=1048576 "$disk" 16M
run_lab --copy "$(command -v dmsetup):/sbin/dmsetup" "$lab/dom0-volumes.sh"

says "two volumes of one device are attached" "LAB: side by side: 2"
says "the device below is refused, and who holds it is named" \
     "LAB: the device below: .*in use: held by dm-[0-9] \((one|two)\)"
says "an attached volume cannot be mounted" "LAB: a mount: .*([Bb]usy|already)"
says "nor taken down" "LAB: taken down: .*[Bb]usy"
says "doctor names the volumes" "held by dm-[0-9] \((one|two)\)"
says "when they have gone the device can be attached" \
     "LAB: the device below is free"
says "then a volume over it is refused" "LAB: a volume: .*[Bb]usy"
says "and not when it is detached" "LAB: a volume is free"
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
