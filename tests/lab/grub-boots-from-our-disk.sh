#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: GRUB, with a front end of its own and of 32 bits, boots a PVH guest
# from a disk of ours; Linux then connects to the same disk anew, in its own
# ABI, and uses it.
# Source: blkif.h, protocol; PROTOCOL.md, reconnects.
# Mechanism: Debian's GRUB for PVH guests as kernel=, as an administrator would
# have it.
. "$top_srcdir/tests/lab/lib.sh"
. "$lab/boot-disk.sh"
grub=/usr/lib/grub-xen/grub-i386-xen_pvh.bin
if [ ! -e $grub ]; then
    echo "1..0 # SKIP needs the package grub-xen-host"
    exit 0
fi
run_lab_kept make_boot_disk "$disk" -- --timeout 900 \
    --copy "$lab/dom0-guests.sh:/lab/guests.sh" --copy "$grub:/lab/grub.bin" \
    --copy "$lab/stamps:/bin/stamps" --guest-copy "$lab/stamps:/bin/stamps" \
    --guest-copy "$lab/guest-use.sh:/job" "$lab/dom0-grub.sh"

says "GRUB reads its configuration from the disk" \
     "Reading \(xen/xvda,msdos1\)/boot/grub/grub.cfg"
says "which it carries out" "GRUB on i386-xen_pvh"
says "its front end closes, and may be followed by another" \
     "VBDDLOG: vbdd: [0-9]+/xvda: Clos(ed|ing) -> InitWait"
says "Linux has its own ABI after GRUB's" "LAB: grub: ABIs x86_32 x86_64$"
says "its blkfront sees flush" \
     "JOB: grub: blkfront: xvda: (flush diskcache|barrier or flush): enabled"
says "its stamps read back" "JOB: grub reads stamps grub"
says "they are on the target" "LAB: after grub: the target has stamps grub"
says "its flushes have arrived" "LAB: grub: +requests .* flush [1-9]"
says "e2fsck in dom0 is clean" "LAB: after grub: e2fsck clean"
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
