#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a disk that is used over a ring of two queues, two NBD connections and
# a BIOS's IDE disk at once, on the same few sectors, shows every path one truth
# (C3), whatever it is stored on.
# Source: docs/COHERENCY.md C3 to C7, C13.
# Mechanism: vbdverify, with fixed shares for the paths; the int13 agent in
# QEMU, whose disk is the worker's NBD socket as libxl would have it. Stored in
# memory, where most overlaps are had, in blocks of 4096 bytes, so that most of
# them are merged and must wait for each other; and in a file.
# `make check-coherency` sets VBDD_COHERENCY=long: ten million operations.
. "$top_srcdir/tests/vm/lib.sh" || exit 99
if [ "${VBDD_COHERENCY:-short}" = long ]; then
    ops=10000000 nbd_ops=500000 int13_ops=10000 overlaps=100000
else
    ops=300000 nbd_ops=30000 int13_ops=500 overlaps=10000
fi
scale=${VBDD_TEST_SCALE:-1}
ops=$((ops / scale)) nbd_ops=$((nbd_ops / scale))
int13_ops=$((int13_ops / scale)) overlaps=$((overlaps / scale))
start_platform || bail "the platform did not start"

# The sum of a column (2: operations, 8: overlaps) over the paths of a kind.
column() { awk -v n="$2" -v kind="$1" '$1 == kind { sum += $(n + 1) }
    kind == "all" && $1 == "all" { sum = $n }
    END { print sum + 0 }' "$work/said"; }

# one_truth WHAT DOMID OPERATIONS NBD INT13 OVERLAPS
one_truth() {
    local what=$1 uri
    local ring=$local_dir:$2:xvda:queues=2
    uri=$(ctl nbd "$2/xvda") || bail "there is no door"
    truncate -s 1M "$work/boot.img"
    agent_into "$work/boot.img"
    front --domid "$2" --vdev xvda copy in "$work/boot.img" >/dev/null ||
        bail "the agent could not be put on the disk"
    # it begins when vbdverify connects, which wants its greeting
    rm -f "$work/serial"
    machine "$uri" -m 32 -serial "unix:$work/serial,server=on,wait=on"
    wait_for test -S "$work/serial" || bail "there is no machine"
    check "$what: nothing is wrong" vbdverify --ring "$ring" --nbd "$uri" \
        --nbd "$uri" --int13 "$work/serial" --ops "$3" --nbd-ops "$4" \
        --int13-ops "$5" --range 2048+192 --timeout 120
    cp "$work/check.out" "$work/said"
    sed 's/^/# /' "$work/said"
    check "$what: all operations were done" test "$(column all 2)" -ge "$3"
    check "$what: $4 of them over NBD" test "$(column nbd 2)" -ge "$4"
    check "$what: $5 by int13" test "$(column int13 2)" -ge "$5"
    check "$what: $6 met another path's" test "$(column all 8)" -ge "$6"
    check "$what: the machine powers off" power_off
}

truncate -s 16M "$work/memory"
ctl attach --domid 1 --vdev xvda --target "$work/memory" \
    --engine mem:size=16M,block=4K --option queues=2 ||
    bail "attach failed"
one_truth "in memory, merged" 1 "$ops" "$nbd_ops" "$int13_ops" "$overlaps"
truncate -s 16M "$work/disk.img"
ctl attach --domid 2 --vdev xvda --target "$work/disk.img" --option queues=2 ||
    bail "attach failed"
one_truth "in a file" 2 $((ops / 50)) $((nbd_ops / 50)) $((int13_ops / 10)) \
    $((overlaps / 50))
finish
