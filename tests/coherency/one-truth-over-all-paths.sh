#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a disk that is used at once over a ring of two queues, over two NBD
# connections and by int13, through a real BIOS and QEMU's IDE controller, on
# the same few sectors, shows one truth to all of them.
# Source: COHERENCY.md C3, C5 to C7; issue 4's "Coherency run".
# Mechanism: the int13 agent has booted from the disk; vbdverify drives all four
# paths with fixed shares of stamped operations that overlap, and judges each
# sector that is read. `make check-coherency` sets VBDD_COHERENCY_LONG: 10
# million operations.
. "$top_srcdir/tests/vm/lib.sh" || exit 99
start_platform || bail "the platform did not start"
. "$top_srcdir/tests/coherency/lib.sh"
scale=${VBDD_TEST_SCALE:-1}
if [ -n "${VBDD_COHERENCY_LONG:-}" ]; then
    all=10000000 nbd_share=600000 int13_share=10500 overlaps=100000
else
    all=$((100000 / scale)) nbd_share=$((20000 / scale))
    int13_share=$((200 / scale)) overlaps=$((1000 / scale))
fi

truncate -s 32M "$work/disk.1.img"
agent_into "$work/disk.1.img"
attach_disk
check "the int13 agent boots from the disk" boot "$nbd"
# sectors that are neither the agent's nor its mailbox
check "four paths show one truth" verify 0 --ring "$ring:queues=2" \
    --nbd "$nbd" --nbd "$nbd" --int13 "$work/serial" \
    --ops $all --nbd-ops $nbd_share --int13-ops $int13_share \
    --range 2048+256
show

# column PATTERN NUMBER: the sum over the rows of such paths; 2 is operations,
# 8 overlaps with other paths, 9 failures (names are two words, but "all")
column() {
    awk -v column="$2" -v pattern="^$1( |$)" '
        $0 ~ pattern { sum += $(column + ($1 == "all" ? 0 : 1)) }
        END { print sum + 0 }' "$work/said"
}
at_least() { echo "$1, wanted $2"; [ "$1" -ge "$2" ]; }
check "with as many operations" at_least "$(column all 2)" $all
check "by NBD as many" at_least "$(column nbd 2)" $nbd_share
check "by int13 as many" at_least "$(column int13 2)" $int13_share
check "and overlaps of different paths" at_least "$(column all 8)" $overlaps
check "of which int13 had some" at_least "$(column int13 8)" 1
check "none failed" test "$(column all 9)" = 0
check "the guest powers off" power_off
finish
