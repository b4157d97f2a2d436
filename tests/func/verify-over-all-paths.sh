#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: vbdverify finds nothing wrong with a disk that is used at once over a
# ring of two queues, another domain's ring, an int13 agent and a look at the
# file itself, nor with NBD servers that are known to be good; it finds a path
# with a cache of its own, and a crash image that has lost what was durable;
# what is left when a worker is killed in the middle is as it must be.
# Source: C2, C3, C5 to C7 of docs/COHERENCY.md.
# Mechanism: vbdd and its worker; an agent without a machine (verify-agent),
# which knows the file only; nbdkit and qemu-nbd; SIGKILL.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
scale=${VBDD_TEST_SCALE:-1}
disk=$work/disk.img
truncate -s 32M "$disk"
attach() { ctl attach --vdev xvda --target "$disk" --mode 'w!' "$@"; }
attach --domid 1 --option queues=2 && attach --domid 2 ||
    bail "attach failed"
ring=$local_dir:1:xvda:queues=2 second=$local_dir:2:xvda

# verify STATUS OPTIONS...: vbdverify ends with it; $work/said has what it said
verify() {
    local wanted=$1 status=0
    shift
    vbdverify "$@" >"$work/said" 2>&1 || status=$?
    cat "$work/said"
    [ "$status" = "$wanted" ]
}
says() { grep -E -- "$1" "$work/said"; }
agent() { # SOCKET FILE MODE
    rm -f "$1"
    "$top_builddir/tests/unit/verify-agent" "$@" &
    pids+=($!)
    wait_for test -S "$1"
}
show() { sed 's/^/# /' "$work/said"; }

# --- our disk ---------------------------------------------------------------

agent "$work/agent" "$disk" || bail "the agent did not start"
check "nothing is wrong with a disk on four paths" \
    verify 0 --ring "$ring" --ring "$second" --look "$disk" \
    --int13 "$work/agent" --ops $((60000 / scale)) \
    --look-ops $((4000 / scale)) --int13-ops $((2000 / scale)) \
    --range 2048+512 --seed 7 --history "$work/history"
show
check "each operation was done" says "^all +$((60000 / scale)) "
check "int13 met other paths" says '^int13 1 .* [1-9][0-9]* +0$'
check "a run can be repeated by its seed" says '^seed 7, sectors 2048 to 2559$'
operations() { grep '^all ' "$work/said"; }
before=$(operations)
check "its history is judged the same once more" \
    verify 0 check "$work/history" --image "$disk"
check "with the same operations" test "$(operations)" = "$before"
truncate -s 32M "$work/zeros.img"
check "an image that has lost all of it is found out" \
    verify 1 check "$work/history" --image "$work/zeros.img"
check "with the promise and the operation that made it durable" \
    says '^C[567]: .*image holds the zeros of the start, older .* answered at'

agent "$work/agent" "$disk" mute || bail "the agent did not start"
check "an agent whose greeting was missed is asked" \
    verify 0 --timeout 2 --int13 "$work/agent" --ring "$ring" --ops 300 \
    --int13-ops 100
agent "$work/agent" "$disk" stale || bail "the agent did not start"
check "a path with a cache of its own is found out" \
    verify 1 --ring "$ring" --int13 "$work/agent" --ops 2000 \
    --int13-ops 400 --range 2048+64
check "in a sentence with who, what and when" \
    says '^C3: sector [0-9]+: int13 1 read, from .* there any more: .*before'
show
agent "$work/agent" "$disk" dies || bail "the agent did not start"
check "an agent that dies is a lost path" \
    verify 3 --ring "$ring" --int13 "$work/agent" --ops 2000 --int13-ops 400
check "which is said" says 'int13 1 is lost: the serial line has ended'

check "discards and small ranges are judged, too" \
    verify 0 --ring "$ring" --ring "$second" --ops $((5000 / scale)) \
    --range 65000+32 --mix read=45,write=45,discard=1,flush=1,fua=4,barrier=4

# --- failures ---------------------------------------------------------------

# The zeros at the start are 512 writes.
for domid in 4 5; do
    truncate -s 32M "$work/failing.$domid"
    ctl attach --domid $domid --vdev xvda --target "$work/failing.$domid" \
        --engine error:write=EIO,after=520,every=50/aio ||
        bail "attach failed"
done
check "writes that fail end a run" \
    verify 3 --ring "$local_dir:4:xvda" --ops 4000 --mix read=60,write=40
check "which is said" says 'a write of . sectors at sector .* failed: Input'
check "or may fail: each of their sectors is old or new" \
    verify 0 --ring "$local_dir:5:xvda" --ops 4000 --allow-errors \
    --mix read=60,write=40
check "and are counted" says '^ring 1 .* [1-9][0-9]*$'

# disturb PID SIGNAL PATH...: in the middle of a run; its status
disturb() {
    local verifier status=0 pid=$1 signal=$2
    shift 2
    rm -f "$work/history"
    vbdverify --timeout 1 --time 60 --history "$work/history" "$@" \
        >"$work/said" 2>&1 &
    verifier=$!
    wait_for test -s "$work/history"
    kill -"$signal" "$pid"
    wait "$verifier" || status=$?
    kill -CONT "$pid" 2>/dev/null
    return $status
}
worker=$(pgrep -P "$vbdd_pid" -f "$disk")
disturb "$worker" KILL --ring "$ring" --ring "$second"
check "a worker that is killed loses its paths" test $? = 3
check "which is said" says 'ring . is lost'
check "what it leaves has all that was durable" \
    verify 0 check "$work/history" --image "$disk"

# --- NBD --------------------------------------------------------------------

if ! has_libnbd; then
    skip "NBD servers have nothing wrong" "libnbd"
else
    truncate -s 32M "$work/nbd.img"
    qemu-nbd -f raw --cache=none -e 4 -t -k "$work/qemu" "$work/nbd.img" \
        >"$work/qemu.log" 2>&1 &
    pids+=($!)
    start_nbdkit() {
        rm -f "$work/nbdkit"
        nbdkit -f -U "$work/nbdkit" memory 32M >"$work/nbdkit.log" 2>&1 &
        nbdkit=$!
        pids+=("$nbdkit")
        wait_for test -S "$work/nbdkit" || bail "nbdkit did not start"
    }
    start_nbdkit
    wait_for test -S "$work/qemu" || bail "qemu-nbd did not start"
    for server in qemu nbdkit; do
        uri="nbd+unix:///?socket=$work/$server"
        check "$server has nothing wrong over two connections" \
            verify 0 --nbd "$uri" --nbd "$uri" --ops $((20000 / scale)) \
            --nbd-ops $((20000 / scale)) --range 0+256
        show
    done
    disturb "$nbdkit" STOP --nbd "$uri" --nbd "$uri"
    check "a server that falls silent is a lost path" test $? = 3
    check "which is said" says 'nbd . is lost: it has not answered'
    stop_pid "$nbdkit"
    start_nbdkit
    disturb "$nbdkit" KILL --nbd "$uri" --nbd "$uri"
    check "a server that is killed is a lost path" test $? = 3
    check "which is said" says 'nbd . is lost: the server has closed'
fi

# --- the command line -------------------------------------------------------

usage() {
    verify 2 && says 'there is no path' &&
        verify 2 --mix read=1,dance=2 && says 'expected read, write' &&
        verify 2 --mix read=x && says 'a weight of --mix' &&
        verify 2 --range 5 && says 'expected SECTOR.COUNT' &&
        verify 2 check && says 'expected HISTORY' &&
        verify 2 --ops 0 && verify 2 word && verify 2 --ring
}
check "what is not understood is told so" usage
paths() {
    verify 3 --ring "$local_dir" && says 'not of the form' &&
        verify 3 --ring "$local_dir:9:xvd" && says 'expected xvda' &&
        verify 3 --timeout 1 --ring "$local_dir:9:xvda" &&
        says 'no disk xvda of domain 9' &&
        verify 3 --look /nowhere && says 'cannot be opened' &&
        verify 3 --look "$disk" && says 'no path can write' &&
        verify 3 --raw "$work/zeros.img" --range 65000+4096 &&
        says 'raw 1 has 65536 sectors' &&
        verify 3 --int13 "$work/zeros.img" && says 'cannot be connected' &&
        verify 3 check /nowhere/history && says 'cannot be opened'
}
check "paths that are none are told so" paths
finish
