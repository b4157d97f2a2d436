#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: qemu-img converts to and from a disk, compares, maps, measures and
# checks it and commits into it as with a local image; the ring and the target
# agree with what it put there.
# Source: C2, C3, C13.
# Mechanism: qemu-img over raw and qcow2, the latter also within the disk.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs qemu-img qemu-io
start_platform || bail "the platform did not start"

image() { qemu-img "$@"; }
random "$work/raw" 64M
fallocate -p -o 8M -l 16M "$work/raw"
image convert -f raw -O qcow2 "$work/raw" "$work/qcow2" || bail "no qcow2"
truncate -s 64M "$work/disk.img"
disk 1 "$work/disk.img"

check "a raw image is converted into the disk" \
    image convert -n -f raw -O raw "$work/raw" "$uri"
check "both paths see it" both_see "$work/raw"
check "compare finds the same" image compare -f raw -F raw "$work/raw" "$uri"
check "info knows its size" eval \
    'image info -f raw "$uri" | grep -q "^virtual size: 64 MiB (67108864 "'
check "the map is the target's" eval \
    'diff <(image map --output=json -f raw "$uri") \
          <(image map --output=json --image-opts "$(unlocked raw)")'
refuses "which qemu-img opens by this door alone (C12)" "Failed to get" \
    image map -U -f raw "$target"
check "one byte is written through the ring" eval \
    'filled "$work/one" 512 X && ring write 100 <"$work/one"'
refuses "compare finds where" "Content mismatch at offset 51200!" \
    image compare -f raw -F raw "$work/raw" "$uri"
check "the disk is zeroed" qemu-io -f raw -c "write -z 0 64M" "$uri"
check "a qcow2 image is converted into it, out of order on 16 coroutines" \
    image convert -W -m 16 -n -f qcow2 -O raw "$work/qcow2" "$uri"
check "both paths see the same as before" both_see "$work/raw"
check "into a target that is known to be zero" eval \
    'qemu-io -f raw -c "write -z 0 64M" "$uri" &&
     image convert -n --target-is-zero -f qcow2 -O raw "$work/qcow2" "$uri"'
check "the same again" both_see "$work/raw"
check "out of it into a qcow2" \
    image convert -f raw -O qcow2 -c "$uri" "$work/out.qcow2"
check "which has the same in it" \
    image compare -f raw -F qcow2 "$work/raw" "$work/out.qcow2"

bench() { image bench -f raw -d 64 -t none -c 1000 "$@" "$uri"; }
check "a thousand reads, 64 at a time" bench -s 4096
check "a thousand large ones at odd offsets" bench -s 65000 -o 7
check "they have changed nothing" both_see "$work/raw"
check "a thousand writes with flushes in between" \
    bench -w -s 4096 --pattern=119 --flush-interval 100
cp --sparse=never "$work/disk.img" "$work/expected"
filled "$work/bench" $((1000 * 4096)) w
dd if="$work/bench" of="$work/expected" conv=notrunc status=none
check "both paths see them" both_see "$work/expected"

# --- an image format within the disk -------------------------------------------
check "a qcow2 is made within the disk" image create -f qcow2 "$uri" 48M
random "$work/small" 48M
fallocate -p -o 1M -l 24M "$work/small"
check "and filled" image convert -n -f raw -O qcow2 "$work/small" "$uri"
check "it has no faults" image check -f qcow2 "$uri"
check "nor has it in the target" \
    image check --image-opts "$(unlocked qcow2)"
check "it has the data" image compare -f raw -F qcow2 "$work/small" "$uri"
check "a snapshot is taken" image snapshot -c one "$uri"
check "and seen in the target" \
    eval 'image snapshot -l --image-opts "$(unlocked qcow2)" | grep -qw one'
check "no faults yet" image check -f qcow2 "$uri"

# --- the disk below an overlay --------------------------------------------------
check "what was below becomes raw again" \
    image convert -n -f raw -O raw "$work/raw" "$uri"
check "an overlay" \
    image create -f qcow2 -b "$uri" -F raw "$work/overlay"
check "something is written to it" qemu-io -f qcow2 \
    -c "write -P 0x31 12345 100000" "$work/overlay"
check "the disk does not see it" both_see "$work/raw"
check "it is committed" image commit -f qcow2 "$work/overlay"
filled "$work/piece" 100000 1
dd if="$work/piece" of="$work/raw" oflag=seek_bytes seek=12345 conv=notrunc \
    bs=100000 status=none
check "now both paths see it" both_see "$work/raw"
check "detach" detach
check "what is left is the image" \
    image compare -f raw -F raw "$work/raw" "$work/disk.img"
finish
