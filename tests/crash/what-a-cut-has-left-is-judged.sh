#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: judge-linux accepts a disk that has all that was durable, and finds one
# that has lost a stamp, a file of which the guest had been told, a part of one,
# or whose file system is broken; before there is a file system it looks at the
# stamps alone.
# Source: C3, C5, C7 of docs/COHERENCY.md.
# Mechanism: an image made as power-load makes it in a guest, then spoilt.
. "$top_srcdir/tests/func/lib.sh" || exit 99
PATH=$PATH:/sbin:/usr/sbin
. "$top_srcdir/tests/crash/layout.sh"
for program in mkfs.ext4 e2fsck debugfs; do
    command -v $program >/dev/null && continue
    echo "1..0 # SKIP needs the package e2fsprogs"
    exit 0
done
disk=$work/disk good=$work/good folder=$work/folder
mkdir "$folder"

note() { # BLOCK N
    printf '%-4096s' "$2" |
        dd of="$disk" bs=4k seek="$1" conv=notrunc status=none
}
told() { note $files_block "$1"; } # N: of so many files
put_file() { # N BYTES
    content "$1" | head -c "$2" >"$work/file"
    debugfs -w -R "write $work/file $1" "$disk"
}
make_disk() {
    truncate -s 64M "$disk"
    mkfs.ext4 -q -F -b 4096 -N 512 -J size=4 "$disk" $fs_blocks &&
        put_file 1 9999 && put_file 2 9999 && put_file 3 100 && told 2 &&
        vbdverify --raw "$disk" --range $stamp_range --ops 2000 \
            --history "$folder/history" --mix read=40,write=50,flush=6
}
accepts() {
    "$top_srcdir/tests/crash/judge-linux" "$folder" "$disk" "after a test"
}
# objects SENTENCE COMMAND...: to what the command does to the disk
objects() {
    local status
    cp --sparse=always "$good" "$disk"
    "${@:2}"
    accepts >"$work/said"
    status=$?
    cat "$work/said"
    [ $status = 1 ] && grep -q "^CUT after a test: $1" "$work/said"
}
zero() { # BLOCK COUNT
    dd if=/dev/zero of="$disk" bs=4k seek="$1" count="$2" conv=notrunc \
        status=none
}
# of file 2
zero_file() { zero "$(debugfs -R 'bmap 2 0' "$disk" 2>/dev/null)" 1; }
zero_root() { debugfs -w -R 'clri <2>' "$disk"; }
forget_notes() { zero $files_block 1; note $flush_block 2; }
forget_file() { debugfs -w -R 'rm 1' "$disk"; }

check "a disk is made" make_disk
check "it has nothing wrong" accepts
cp --sparse=always "$disk" "$good"
check "a file of which the guest was told is not there" \
    objects "file 1 is not whole, and the guest was told of 2" forget_file
check "one is not as it was written" objects "file 2 is not whole" zero_file
check "one is there in part" objects "file 3 is not whole" told 3
check "a note is lost that was flushed" \
    objects "the note of file 3 is lost" note $flush_block 3
check "all notes are lost" objects "the note of file 2 is lost" forget_notes
check "the root is not there" objects "the file system is broken" zero_root
check "there is no superblock" objects "the journal cannot be" zero 0 1
check "a flushed stamp is lost" objects "stamps are lost" zero 10300 8
check "which is explained" grep -q 'CUT:.*C5: sector [0-9]*: the image holds' \
    "$work/said"
cp --sparse=always "$good" "$disk"
zero 0 9000
check "there is no file system yet" accepts
zero 10300 8
check "stamps are judged there, too" objects "stamps are lost" zero 0 10308
mv "$folder/history" "$work/history"
accepts >"$work/said" 2>&1
check "without a history it cannot judge" test $? = 2
finish
