#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a guest keeps its disk when vbdd is stopped and started again, and when
# it is killed: its requests wait, none fails, none is lost, carried out twice
# or rolled back, whatever path they take; nothing is written that its front end
# could see.
# Source: docs/COHERENCY.md, "When vbdd is away"; C3, C5, C8, C12.
# Mechanism: real programs on the stand-in. While vbdd goes and comes again,
# vbdverify judges every read of two rings and the file by C3, QEMU writes and
# reads by the emulated path of the same disk and comes again by its name, a
# guest that is booted again and again verifies a disk of its own, and an idle
# one does nothing. xenstore-watch sees every write to the nodes of those who
# stay.
. "$top_srcdir/tests/func/lib.sh" || exit 99
rounds=${VBDD_TEST_ROUNDS:-10}
start_platform || bail "the platform did not start"
truncate -s 32M "$work/disk.img"
truncate -s 2M "$work/boot.img" "$work/idle.img"
attach() {
    ctl attach --domid "$1" --vdev xvda --target "$work/$2.img" "${@:3}"
}
check "a disk of two guests is attached" attach 1 disk --mode 'w!' \
    --option queues=2 --option ring-page-order=1 \
    --engine "delay:flush=5ms/aio"
check "to the other one, too" attach 2 disk --mode 'w!' \
    --option queues=2 --option ring-page-order=1 \
    --engine "delay:flush=5ms/aio"
check "and one for a guest that boots often" \
    attach 3 boot --option grants=persistent
check "and one for an idle guest" attach 4 idle
ring_is() { ctl show "$1/xvda" | grep -q "^ring  *$2\$"; }

# --- four guests, and an emulated disk --------------------------------------
vbdverify --ring "$local_dir:1:xvda:queues=2" --ring "$local_dir:2:xvda" \
    --look "$work/disk.img" --range 2048+1024 --time 500 \
    --history "$work/history" --seed 11 >"$work/verify.out" 2>&1 &
verify=$!
boots() {
    local n=0
    while [ ! -e "$work/enough" ]; do
        front --domid 3 verify --stamp || return 1
        n=$((n + 1))
        echo "boot $n"
    done
}
boots >"$work/boots.out" 2>&1 &
boots=$!
# in blocks that nobody else writes; each read looks for what was just written
commands() {
    local n=0
    while [ ! -e "$work/enough" ]; do
        n=$((n + 1))
        echo "write -P $((n % 255 + 1)) $((16 + n % 8))M 64k"
        echo "read -P $((n % 255 + 1)) $((16 + n % 8))M 64k"
        sleep 0.01
    done
    echo flush
}
emulated=
if command -v qemu-io >/dev/null; then
    commands | qemu-io --image-opts "driver=nbd,server.type=unix,\
server.path=$state_dir/nbd/1-xvda,reconnect-delay=60" \
        >"$work/emulated.out" 2>&1 &
    emulated=$!
fi
mkfifo "$work/idle"
front --domid 4 info --follow <"$work/idle" >"$work/idle.out" 2>&1 &
idle=$!
exec 7>"$work/idle" # of which nobody else has a copy
check "the guests connect" eval 'wait_for ring_is 1 connected &&
    wait_for ring_is 2 connected && wait_for ring_is 4 connected'
back=/local/domain/0/backend/vbd
XENSTORED_PATH=$local_dir/xenstored xenstore-watch $back/1/51712 \
    $back/2/51712 $back/4/51712 >"$work/nodes" 2>&1 7>&- &
pids+=($!)
nodes() { grep -v /kthread-pid "$work/nodes"; } # that is for xentop
is_watching() { [ "$(nodes | wc -l)" = 3 ]; } # the watches' own events
check "their nodes are watched" wait_for is_watching

log() { grep "$@" "$work/vbdd.log"; }

# --- vbdd goes and comes again ----------------------------------------------
forget() { # PID: it has ended
    local pid others=()
    for pid in "${pids[@]}"; do [ "$pid" = "$1" ] || others+=("$pid"); done
    pids=("${others[@]}")
}
go_and_come() { # SIGNAL
    kill "-$1" "$vbdd_pid"
    wait "$vbdd_pid" 2>/dev/null
    status=$?
    forget "$vbdd_pid"
    start_vbdd 7>&-
    wait_for ring_is 1 connected && wait_for ring_is 2 connected &&
        wait_for ring_is 4 connected
}
moved() { stat_of bytes_written 1/xvda; }
has_moved() { [ "$(moved)" -gt 0 ]; }
repeat() { # SIGNAL STATUS
    local n
    for ((n = 1; n <= rounds; n++)); do
        go_and_come "$1" || { echo "not all connected, round $n"; return 1; }
        [ "$status" = "$2" ] || { echo "status $status"; return 1; }
        wait_for has_moved || return 1 # the load goes on
    done
}
check "vbdd is stopped and started, $rounds times" repeat TERM 0
check "and killed and started, $rounds times" repeat KILL 137
check "nothing was written to the nodes of those who stay" \
    eval 'nodes; is_watching'

kill -INT $verify # which ends its run
check "vbdverify finds no read that cannot be" wait $verify
sed 's/^/# /' "$work/verify.out"
check "nor is anything missing in the end" \
    vbdverify check "$work/history" --image "$work/disk.img"
touch "$work/enough"
check "a guest that boots meanwhile sees no error" wait $boots
note "$(tail -n 1 "$work/boots.out")"
if [ "$emulated" ]; then
    wait $emulated
    writes=$(grep -c 'wrote 65536/65536' "$work/emulated.out")
    reads=$(grep -c 'read 65536/65536' "$work/emulated.out")
    connections=$(log -c 'emulated client .* has connected')
    note "QEMU: $writes writes, $reads reads, $connections connections"
    check "an emulated disk comes again and reads what it wrote" \
        eval '! grep -i "fail\|error" "$work/emulated.out" &&
              [ "$writes" -gt 0 ] && [ "$reads" = "$writes" ] &&
              [ "$connections" -ge 2 ]'
else
    skip "an emulated disk comes again and reads what it wrote" qemu-utils
fi
exec 7>&-
check "nor does an idle one" wait $idle
sed 's/^/# /' "$work/idle.out"
taken_up=$(log -c ': goes on with')
note "$taken_up rings were gone on with"
check "each time with all three who stayed" \
    test "$taken_up" -ge $((2 * rounds * 3))
check "no ring was lost" eval '! log "ring was lost\|could not\|error:"'
check "no record is left of those who left" wait_for eval \
    '[ "$(ls "$state_dir/hold")" = "" ]'
finish
