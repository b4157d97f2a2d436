# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest of 32 bits, from Debian's packages for i386 (fetch-i386).
i386_packages=$top_builddir/lab-cache/i386

has_i386() { "$lab/fetch-i386" "$i386_packages" >&2; }
take_i386() { # ROOT PACKAGE PATTERN...: files of a package
    dpkg-deb --fsys-tarfile "$i386_packages/$2"*_i386.deb |
        tar -x -C "$1" --wildcards "${@:3}"
}

# make_i386_guest DIR JOB FILE...: vmlinuz-i386 and guest-i386.cpio.gz in DIR;
# the FILEs go to its /bin
make_i386_guest() (
    . "$lab/initrd.sh"
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    put_busybox "$root"
    take_i386 "$root" busybox-static ./bin/busybox
    take_i386 "$root" linux-image './boot/vmlinuz-*' \
        '*/modules.builtin' '*/modules.order' '*/xen-blkfront.ko' \
        '*/ext4.ko' '*/jbd2.ko' '*/mbcache.ko' '*/crc16.ko' \
        '*/crc32c_generic.ko'
    mkdir -p "$1"
    mv "$root"/boot/vmlinuz-* "$1/vmlinuz-i386"
    /sbin/depmod -b "$root" "$(ls "$root/lib/modules")" 2>/dev/null
    install "$lab/guest-init" "$root/init"
    install "$2" "$root/job"
    install "${@:3}" "$root/bin"
    pack "$root" "$1/guest-i386.cpio.gz"
)
