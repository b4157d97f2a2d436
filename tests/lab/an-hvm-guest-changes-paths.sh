#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: an HVM Linux guest that GRUB has started from its emulated disk goes over
# to the PV disk; the handover is seen, and a late emulated client refused where
# that is asked for. In one that uses both at a time, each path reads at once what
# the other has written. One that keeps its emulated disk finds the data of both
# on it and uses it through us, flushes included. Whatever a vdev is called, QEMU
# gets its disk by our socket and never by the target's name.
# Source: COHERENCY.md C1, C3, C11; vbdd(8), "Emulated disks".
# Mechanism: QEMU, SeaBIOS, GRUB and Linux, by xl and Debian's Xen; the stamps
# of one guest are read by the next, and in dom0 on the target.
. "$top_srcdir/tests/lab/lib.sh"
. "$lab/boot-disk.sh"
run_lab_kept make_boot_disk "$disk" -- --hvm --timeout 900 \
    --copy "$lab/dom0-guests.sh:/lab/guests.sh" \
    --copy "$(command -v mkfs.ext2):/sbin/mkfs.ext2" \
    --copy "$lab/stamps:/bin/stamps" --guest-copy "$lab/stamps:/bin/stamps" \
    --guest-copy "$lab/guest-both.sh:/bin/both-paths" \
    --guest-copy "$lab/guest-use.sh:/job" "$lab/dom0-hvm.sh"

door='file=nbd\+unix:///\?socket=/run/vbdd/nbd/[0-9]+-'
options=',file\.reconnect-delay=60,'
ide() { # VDEV INDEX: QEMU's IDE disk, word for word
    echo "QEMU: $door$1${options}if=ide,index=$2,media=disk,format=raw,cache=writeback$"
}
ahci() { # VDEV INDEX
    echo "QEMU: $door$1${options}if=none,id=ahcidisk-$2,format=raw,cache=writeback$"
}
scsi() { # VDEV UNIT
    echo "QEMU: $door$1${options}id=scsi0-hd$2,format=raw,if=none,readonly=off,cache=writeback$"
}
never_by_name() { # KIND
    says "$1: QEMU is told no target" "LAB: $1: targets that QEMU is told: 0"
    says "$1: and has none open" "LAB: $1: targets that QEMU has open: 0 of [1-9]"
}
reads() { # STAMP STAMPS
    says "$1: the guest reads stamps $2" "JOB: $1 reads stamps $2"
    says "$1: the target has stamps $2" "LAB: after $1: the target has stamps $2"
}

says "pv: QEMU gets its IDE disk from us" "LAB: pv: $(ide hda 0)"
says "pv: and its SCSI disk" "LAB: pv: $(scsi sdb 1)"
never_by_name pv
says "pv: GRUB has started it from the emulated disk" \
     "LAB: pv: +emulated +read [1-9][0-9]{2}"
says "pv: Linux has the PV disks alone" "JOB: pv: disks xvda xvdb$"
reads pv pv
says "pv: QEMU flushed when it unplugged" "LAB: pv: +emulated .* flush [1-9]"
says "pv: Linux flushes through the ring" \
     "LAB: pv: +requests +read [1-9][0-9]* +write [1-9][0-9]* +flush [1-9]"
says "pv: the handover is logged" "VBDDLOG: .*flushed and left: the disk is handed over"
says "pv: and shown" "LAB: pv: handed_over +yes"
says "pv: that of the SCSI disk as well" "LAB: pv's second: handed_over +yes"
says "pv: a late emulated client is refused" "LAB: late: .*server policy prevents"
says "pv: because of the handover" \
     "LAB: late: last_event .*was refused: the disk has been handed over"
says "pv: e2fsck in dom0 is clean" "LAB: after pv: e2fsck clean"

never_by_name both
says "both: QEMU gets vdev=xvda, too" "LAB: both: $(ahci xvda 0)"
says "both: Linux has the disk twice" "JOB: both: disks sda xvda$"
says "both: each path reads what the other has just written" \
     "JOB: seen by the other path: 50 of 50"
says "both: the emulated path was used" \
     "LAB: both: +emulated +read [1-9][0-9]* +write [1-9]"
says "both: and the ring" "LAB: both: +requests +read [1-9][0-9]* +write [1-9]"
says "both: nothing was handed over" "LAB: both: handed_over +no"
for stamps in pv both; do reads both $stamps; done

never_by_name "five on IDE"
says "hda is the first IDE disk" "LAB: five on IDE: $(ide hda 0)"
says "xvdb is emulated like hdb" "LAB: five on IDE: $(ide xvdb 1)"
says "hdc is the third" "LAB: five on IDE: $(ide hdc 2)"
says "xvdd is the fourth" "LAB: five on IDE: $(ide xvdd 3)"
says "xvde is not emulated" "LAB: five on IDE: emulated: hda xvdb hdc xvdd$"
says "it is served all the same" "LAB: five on IDE: disks that are served: 5"
never_by_name "two on AHCI"
says "hdtype=ahci: xvda is emulated" "LAB: two on AHCI: $(ahci xvda 0)"
says "hdtype=ahci: xvdf, too" "LAB: two on AHCI: $(ahci xvdf 5)"
never_by_name SCSI
says "sda is a SCSI disk" "LAB: SCSI: $(scsi sda 0)"
says "a read-only IDE disk is refused by xl" \
     "LAB: read-only: .*doesn't support read-only IDE"
says "and nothing of it is left" "LAB: disks that are left: 0"
says "ide: QEMU gets what the script has written" "LAB: ide: $(ide hda 0)"
never_by_name ide
says "ide: Linux has the emulated disk alone" "JOB: ide: disks sda$"
for stamps in pv both ide; do reads ide $stamps; done
says "ide: written and flushed through the emulated path" \
     "LAB: ide: +emulated +read [1-9][0-9]* +write [1-9][0-9]* +flush [1-9]"
says "ide: and by no ring" "LAB: ide: +requests +read 0 +write 0 +flush 0"
says "ide: e2fsck in dom0 is clean" "LAB: after ide: e2fsck clean"

says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
