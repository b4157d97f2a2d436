#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: at queue depth 32 the worker makes at most 0.5 system calls a request
# and at most one notify a batch, on the null engine and on a file. Times are
# printed, never asserted.
# Source: notes on performance: system calls per request is the efficiency
# figure that carries over to any machine.
# Mechanism: vbdfront bench, and the worker's own counters before and after.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
cpu_ns() { cut -d' ' -f1 "/proc/$1/schedstat"; }
# Disk N is domain N's here.
bench() { # NAME N PID OPTIONS...
    local name=$1 disk=$2 pid=$3 calls cpu
    shift 3
    calls=$(stat_of system_calls "$disk") responses=$(stat_of responses "$disk")
    notifies=$(stat_of notifies_sent "$disk") cpu=$(cpu_ns "$pid")
    batches=$(stat_of answer_batches "$disk")
    front --domid "$disk" --vdev xvda bench "$@" >"$work/bench.out" 2>&1 ||
        { fail "$name: the bench ran"; sed 's/^/# /' "$work/bench.out"; return; }
    calls=$(($(stat_of system_calls "$disk") - calls))
    responses=$(($(stat_of responses "$disk") - responses))
    notifies=$(($(stat_of notifies_sent "$disk") - notifies))
    batches=$(($(stat_of answer_batches "$disk") - batches))
    cpu=$(($(cpu_ns "$pid") - cpu))
    sed "s/^/# $name: /" "$work/bench.out"
    note "$name: worker: $responses requests, $calls system calls" \
         "($((calls * 1000 / responses))/1000 each), $notifies notifies in" \
         "$batches batches, $((cpu / responses)) ns CPU each"
    per_mille=$((calls * 1000 / responses))
}
truncate -s 1M "$work/anything"
truncate -s 256M "$work/disk.img"
dd if=/dev/zero of="$work/disk.img" bs=1M count=256 conv=notrunc 2>/dev/null
ctl attach --domid 1 --vdev xvda --target "$work/anything" --engine null:size=1G ||
    bail "attach of the null engine failed"
ctl attach --domid 2 --vdev xvda --target "$work/disk.img" ||
    bail "attach of the file failed"
null=$(pgrep -P "$vbdd_pid" -f null) file=$(pgrep -P "$vbdd_pid" -f disk.img)
count=200000
for row in "null 1 $null randread" "null 1 $null randwrite" \
           "file 2 $file randread" "file 2 $file randwrite"; do
    # shellcheck disable=SC2086
    set -- $row
    bench "$1 $4 QD32" "$2" "$3" --rw "$4" --bs 4096 --depth 32 --count $count
    check "$1 $4 at depth 32: at most 0.5 system calls a request" \
        test "$per_mille" -le 500
    check "$1 $4 at depth 32: at most one notify a batch" \
        test "$notifies" -le "$batches"
done
bench "file randread QD1" 2 "$file" --rw randread --bs 4096 --depth 1 \
    --count 20000
check "file at depth 1: the bench ran" test "$responses" -ge 20000
finish
