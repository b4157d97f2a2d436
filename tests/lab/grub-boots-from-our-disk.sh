#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: GRUB, with a front end of its own and of 32 bits, boots a PVH guest
# from a disk of ours; Linux then connects to the same disk anew, in its own
# ABI, and uses it: with 64 bits and, where Debian's packages for i386 can be
# had, with 32.
# Source: blkif.h, protocol; PROTOCOL.md, reconnects.
# Mechanism: Debian's GRUB for PVH guests as kernel=, as an administrator would
# have it; the 32-bit Linux reads what the 64-bit one has stamped.
. "$top_srcdir/tests/lab/lib.sh"
. "$lab/boot-disk.sh"
. "$lab/i386.sh"
grub=/usr/lib/grub-xen/grub-i386-xen_pvh.bin
if [ ! -e $grub ]; then
    echo "1..0 # SKIP needs the package grub-xen-host"
    exit 0
fi
i386=
has_i386 && i386=yes
if [ -n "$i386" ]; then
    make_i386_guest "$tree/lab" "$lab/guest-use.sh" "$lab/stamps"
fi
run_lab_kept make_boot_disk "$disk" -- --timeout 380 \
    --copy "$lab/dom0-guests.sh:/lab/guests.sh" --copy "$grub:/lab/grub.bin" \
    --copy "$lab/stamps:/bin/stamps" --guest-copy "$lab/stamps:/bin/stamps" \
    --guest-copy "$lab/guest-use.sh:/job" "$lab/dom0-grub.sh"

used_by() { # ARCHITECTURE MACHINE ABIS
    says "$1: Linux is up" "JOB: $1: $2"
    says "$1: after GRUB's front end it has its own ABI" "LAB: $1: ABIs $3$"
    says "$1: blkfront sees flush" \
         "JOB: $1: blkfront: xvda: (flush diskcache|barrier or flush): enabled"
    says "$1: its stamps read back" "JOB: $1 reads stamps $1"
    says "$1: they are on the target" "LAB: after $1: the target has stamps $1"
    says "$1: flushes have arrived" "LAB: $1: +requests .* flush [1-9]"
    says "$1: e2fsck in dom0 is clean" "LAB: after $1: e2fsck clean"
}
says "GRUB reads its configuration from the disk" \
     "Reading \(xen/xvda,msdos1\)/boot/grub/grub.cfg"
says "which it carries out" "GRUB on i386-xen_pvh"
says "its front end closes, and may be followed by another" \
     "VBDDLOG: vbdd: [0-9]+/xvda: Clos(ed|ing) -> InitWait"
used_by amd64 x86_64 "x86_32 x86_64"
if [ -n "$i386" ]; then
    used_by i386 i686 x86_32
    says "i386: it reads the stamps of the other" "JOB: i386 reads stamps amd64"
else
    echo "# without a 32-bit Linux: its packages could not be downloaded"
fi
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
