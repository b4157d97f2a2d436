#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: Debian's Linux, in QEMU's pc, has its root file system on an IDE disk
# that is a disk of ours; it sees a write cache, so it flushes; its files and
# its fsyncs succeed; when it has powered off the disk is handed over, the file
# system on the target is clean, and every file is as the guest wrote it.
# Source: COHERENCY.md C5, C11; libxl's -drive.
# Mechanism: an initrd of busybox and the kernel's modules (the lab's way); the
# kernel itself comes from QEMU, everything after the initrd from the disk.
. "$top_srcdir/tests/vm/lib.sh" || exit 99
. "$top_srcdir/tests/lab/initrd.sh"
needs "a kernel of Debian's (linux-image-amd64)" find_kernel
needs "busybox-static, cpio and kmod" \
    eval "test -x /bin/busybox && command -v cpio modprobe depmod"
PATH=$PATH:/sbin:/usr/sbin
here=$top_srcdir/tests/vm disk=$work/disk.img console=$work/console

mkdir "$work/initrd" "$work/root"
put_busybox "$work/initrd"
put_modules "$work/initrd" ata_piix sd_mod crc32c_generic ext4
install "$here/linux-initrd-init" "$work/initrd/init"
pack "$work/initrd" "$work/initrd.gz"
put_busybox "$work/root"
install "$here/linux-job" "$work/root/init"
truncate -s 128M "$disk"
mkfs.ext4 -q -d "$work/root" "$disk" || bail "mkfs.ext4 failed"

start_platform || bail "the platform did not start"
ctl attach --domid 1 --vdev hda --target "$disk" || bail "attach failed"
machine "$(ctl nbd 1)" -m 192 -kernel "$kernel" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1" -serial "file:$console"
check "the guest powers off by itself" wait "$qemu_pid"
sed 's/^/# /' "$console" | tr -d '\r' | cut -c -120

said() { check "$1" grep -q "$2" "$console"; }
said "ata_piix drives the disk" "ata1: PATA.*irq 14"
said "Linux sees a write cache" "sda.*Write cache: enabled"
said "the root file system is on it" "root /dev/sda / ext4 rw"
said "the guest's files read back from the disk" "JOB: all files read back"
said "it comes to its end" "JOB: done"
if grep -q "I/O error" "$console"; then
    fail "without an I/O error"
else
    pass "without an I/O error"
fi
handed_over() { ctl show 1 | grep -q '^handed_over *yes'; }
check "the disk was handed over" wait_for handed_over
check "its flushes reached the engine" \
    eval "ctl --json stats 1 | grep -q '\"engine_flushes\":[1-9]'"
check "the disk is detached" ctl detach --domid 1 --vdev hda
check "the file system is clean" e2fsck -f -n "$disk"
mkdir "$work/out"
check "its files come out in the host" \
    debugfs -R "rdump /data $work/out" "$disk"
check "39 of them" test "$(wc -l <"$work/out/data/sums")" = 39
check "and are what the guest wrote" \
    sh -c "cd $work/out/data && md5sum --quiet -c sums"
finish
