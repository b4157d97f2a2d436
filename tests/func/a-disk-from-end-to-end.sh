#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a disk image with a real file system is served by the daemon and used
# by the front-end driver over the blkif ring; both ends agree on every byte;
# Debian's xenstore-ls shows the device tree; a front end may come and go; a
# detached target is whole.
# Source: ARCHITECTURE.md; blkif.h.
# Mechanism: vbdd-local, vbdd and vbdd-disk as processes; vbdfront as guest.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"

disk=$work/disk.img
truncate -s 32M "$disk"
mkfs.ext4 -q -F -d "$top_srcdir/common" "$disk" || bail "mkfs.ext4 failed"
cp "$disk" "$work/before.img"
dom() { front --domid 3 --vdev xvda "$@"; }

check "a file is attached as xvda of domain 3" \
    ctl attach --domid 3 --vdev xvda --target "$disk"
tree() {
    XENSTORED_PATH=$local_dir/xenstored xenstore-ls /local/domain/0/backend/vbd/3
}
shows() { tree | grep -q -E "$1"; }
check "xenstore-ls shows the back end's node" shows '^51712 = ""'
check "the back end waits for the front end" shows 'state = "2"'
check "flush and barrier are advertised" \
    shows 'feature-flush-cache = "1"'
check "the disk is copied out through the ring" dom copy out "$work/out.img"
check "what came out is the target, byte for byte" cmp "$disk" "$work/out.img"
check "the size in 512-byte sectors is in the store" shows 'sectors = "65536"'

truncate -s 32M "$work/new.img"
mkfs.ext4 -q -F -d "$top_srcdir/docs" "$work/new.img" || bail "mkfs.ext4 failed"
check "another image is copied in" dom copy in "$work/new.img"
check "the target is that image now" cmp "$disk" "$work/new.img"
check "its file system is clean" e2fsck -f -n "$disk"
check "verify agrees" dom verify "$work/new.img"
refuses "verify tells where another image differs" differ \
    dom verify "$work/before.img"

pattern() { head -c "$1" /dev/urandom > "$work/pattern"; }
write_read() { # SECTOR COUNT
    pattern $(($2 * 512))
    dom write "$1" < "$work/pattern" &&
        dom read "$1" "$2" > "$work/back" && cmp "$work/pattern" "$work/back"
}
check "one sector at the start" write_read 0 1
check "one sector at the end" write_read 65535 1
check "an odd piece that crosses pages and requests" write_read 1001 777
refuses "a write beyond the end is refused" "the disk has 65536" \
    dom write 65536 < "$work/pattern"
check "FLUSH is answered" dom flush
check "BARRIER is answered" dom barrier
for i in 1 2 3 4 5 6 7 8 9 10; do
    dom read 0 8 > "$work/back.$i" || break
done
check "ten front ends came and went" cmp "$work/back.1" "$work/back.10"

check "the disk is detached" ctl detach --domid 3 --vdev xvda
gone() { ! tree; }
check "its tree is gone from the store" gone
no_worker() { ! pgrep -f "$top_builddir/[v]bdd-disk.*$disk"; }
check "its worker is gone" wait_for no_worker
check "nobody holds the target any more" flock -n "$disk" true

check "the same target is attached read-only" \
    ctl attach --domid 4 --vdev xvda --target "$disk" --mode r
refuses "a write to it is refused" "ead-only" \
    front --domid 4 --vdev xvda write 0 < "$work/pattern"
check "it can be read" front --domid 4 --vdev xvda copy out "$work/out.img"
check "a second domain shares it" \
    ctl attach --domid 5 --vdev xvdb --target "$disk" --mode r
check "and reads the same" front --domid 5 --vdev xvdb verify "$work/out.img"
finish
