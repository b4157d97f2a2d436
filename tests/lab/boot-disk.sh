# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk that a BIOS can boot from, and GRUB under Xen.
if [ -z "$(command -v sfdisk)" ] || [ -z "$(command -v grub-mkimage)" ] ||
   [ ! -e /usr/lib/grub/i386-pc/boot.img ]; then
    echo "1..0 # SKIP needs the packages fdisk grub-common grub-pc-bin"
    exit 0
fi

# make_boot_disk FILE: GRUB for a BIOS before the first partition, which is an
# empty ext2; dom0 fills it. The second partition is empty.
make_boot_disk() {
    rm -f "$1"
    truncate -s 128M "$1"
    printf '%s\n' 'start=2048,size=48M,type=83,bootable' 'type=83' |
        sfdisk -q "$1"
    grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$1.core" \
        biosdisk part_msdos ext2 normal linux echo
    dd if=/usr/lib/grub/i386-pc/boot.img of="$1" bs=440 count=1 \
        conv=notrunc status=none
    dd if="$1.core" of="$1" seek=1 conv=notrunc status=none
    rm "$1.core"
    mkfs.ext2 -q -E offset=1048576 "$1" 48M
}
