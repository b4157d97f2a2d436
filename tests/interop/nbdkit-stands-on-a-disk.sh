#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: servers that are clients themselves, nbdkit and qemu-nbd, pass a disk
# on with all that it can, unchanged; nbdkit's filters find in it what is there:
# its holes read as zeros (checkwrite), a partition, a file of its file system.
# Source: NBD's proto.md; C3.
# Mechanism: nbdkit's nbd plugin with filters, and qemu-nbd, on the disk's
# socket; nbdinfo and nbdcopy on theirs.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs nbdkit nbdinfo nbdcopy mkfs.ext4
start_platform || bail "the platform did not start"

# FILE: a partition table with one entry, from 1 MiB on; there lies docs/
disk_with_files() {
    truncate -s 31M "$work/ext4"
    mkfs.ext4 -q -F -d "$top_srcdir/docs" "$work/ext4" || return
    truncate -s 64M "$1"
    { printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\370\0\0' # 2048, 63488 sectors
        head -c 48 /dev/zero && printf '\125\252'; } |
        dd of="$1" oflag=seek_bytes seek=446 conv=notrunc status=none
    dd if="$work/ext4" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
}
disk_with_files "$work/disk.img" || bail "no image"
cp "$work/disk.img" "$work/before"
disk 1 "$work/disk.img"
socket=${uri#*socket=}

# through SCRIPT [FILTER... -- PARAMETER...]: $uri in SCRIPT is nbdkit's
through() {
    local script=$1 filters=()
    shift
    while [ $# != 0 ] && [ "$1" != -- ]; do
        filters+=("--filter=$1")
        shift
    done
    [ $# = 0 ] || shift
    nbdkit -U - "${filters[@]}" nbd socket="$socket" "$@" \
        --run "cd '$work'; $script"
}
# What is told of a disk; nbdkit has nothing to say of DF.
figures='"(export-size|can_[^d][a-z_]*|is_read_only|block_size_[a-z]*)":'
told() {
    nbdinfo --json "$uri" | grep -E "$figures" >"$work/told" &&
        through "nbdinfo --json \"\$uri\" | grep -E '$figures'" |
        diff "$work/told" -
}

check "nbdkit passes on what it is told" told
check "and the map" eval 'diff <(nbdinfo --map "$uri") \
    <(through "nbdinfo --map \"\$uri\"")'
check "what is fetched through it is the disk" \
    through 'nbdcopy "$uri" out && cmp out disk.img'
random "$work/random" 64M
check "what is put through it" through 'nbdcopy random "$uri"'
check "both paths see" both_see "$work/random"
check "the same in pieces of 4096 bytes at most" through \
    'nbdcopy before "$uri"' blocksize -- maxdata=4096
check "both see that" both_see "$work/before"
check "its holes read as zeros and its data is what it says" \
    through 'nbdcopy --request-size=65536 before "$uri"' checkwrite
check "a file comes out of a file system in a partition" through \
    'nbdcopy "$uri" COHERENCY.md && cmp COHERENCY.md "$top_srcdir/docs/COHERENCY.md"' \
    ext2 partition -- partition=1 ext2file=/COHERENCY.md
check "many ask at a time over one connection of nbdkit's" \
    through 'nbdcopy --threads=4 --connections=4 "$uri" out && cmp out before' \
    -- shared=true
check "what is written to a copy on write" \
    through 'nbdcopy random "$uri" && nbdcopy "$uri" out && cmp out random' cow
check "does not reach the disk" both_see "$work/before"

if type -P qemu-nbd >/dev/null; then
    qemu-nbd -t -f raw -e 4 -k "$work/qemu.sock" "$uri" &
    pids+=($!)
    wait_for test -S "$work/qemu.sock"
    qemu="nbd+unix:///?socket=$work/qemu.sock"
    check "through qemu-nbd what is put" nbdcopy "$work/random" "$qemu"
    check "both paths see" both_see "$work/random"
    check "and what is fetched is the disk" \
        eval 'nbdcopy "$qemu" - | cmp - "$work/disk.img"'
    check "with the same map" \
        eval 'diff <(nbdinfo --map "$uri") <(nbdinfo --map "$qemu")'
else
    skip "through qemu-nbd what is put, both paths see" qemu-nbd
fi
finish
