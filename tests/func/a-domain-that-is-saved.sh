#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: when a domain is suspended nothing more is taken from its disk, and
# what was taken is on the target and flushed before vbdd says that the vbd is
# paused; when the suspend is cancelled all goes on, and no request is lost or
# done twice to other data. A domain that ends while suspended leaves its disk
# free for the next one.
# Source: docs/PROTOCOL.md, section 3.
# Mechanism: `vbdd-local --suspend` while a front end writes; it does not stop
# for that, so that its ring is full of what must not be taken. The log engine
# tells what was flushed when.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
local_pid=${pids[0]}
truncate -s 64M "$work/disk.img"
head -c 16M /dev/urandom >"$work/data"
ctl attach --domid 1 --vdev xvda --target "$work/disk.img" \
    --engine "log:file='$work/journal'/delay:write=50ms/aio" || bail "attach failed"
worker=$(pgrep -P "$vbdd_pid" -f disk.img)

suspend() { vbdd-local --suspend 1 "$local_dir"; }
resume() { vbdd-local --resume 1 "$local_dir"; }
shown() { ctl show 1/xvda | grep -q "^$1  *$2\$"; }
bytes_written() { stat_of bytes_written 1; }
lines() { wc -l <"$work/journal"; }
has_written() { [ "$(bytes_written)" -ge "$1" ]; }
# Of the journal: each request is completed; a flush that succeeded was
# submitted after the last write was completed.
is_durable() {
    awk '
    $1 == "S" { open++ }
    $1 == "S" && $4 == "WRITE" { writing++; durable = flush = 0 }
    $1 == "C" && $4 == "WRITE" { writing-- }
    $1 == "S" && $4 == "FLUSH" && !writing { flush = $2 }
    $1 == "C" && $4 == "FLUSH" && $2 == flush && $NF == "OK" { durable = 1 }
    $1 == "C" { open-- }
    END { exit !(open == 0 && durable) }' "$work/journal"
}
check "vbdd-local refuses to resume what runs" \
    eval 'vbdd-local --resume 1 "$local_dir"; [ $? = 1 ]'

# --- one pause, looked at closely -------------------------------------------
mkfifo "$work/pipe"
front --domid 1 --vdev xvda copy in --no-flush - <"$work/pipe" \
    >"$work/copy.out" 2>&1 &
copy=$!
exec 5>"$work/pipe"
head -c 8M "$work/data" >&5
check "a front end writes" wait_for has_written $((4 << 20))
check "nothing is flushed" eval '! grep FLUSH "$work/journal"'
check "its domain is suspended" suspend
check "its vbd is paused" wait_for shown ring paused
check "and shown as suspended" shown suspended yes
check "list shows it, too" eval 'ctl list | grep -q suspended'
check "all that was taken is flushed" is_durable
before=$(lines) bytes=$(bytes_written)
note "$bytes bytes were written"
check "and is what was written" cmp -n "$bytes" "$work/disk.img" "$work/data"
tail -c 8M "$work/data" >&5 & # more than the pipe and the ring hold
feeder=$!
sleep 1.5
check "nothing more is taken" test "$(lines)" = "$before"
check "it is connected all the same" shown state Connected
check "the suspend is cancelled" resume
check "its vbd is served again" wait_for shown ring connected
wait $feeder
exec 5>&-
check "the front end noticed nothing" wait $copy
check "all of it is there" cmp -n $((16 << 20)) "$work/disk.img" "$work/data"

# --- many, under load --------------------------------------------------------
front --domid 1 --vdev xvda verify --stamp >"$work/verify.out" 2>&1 &
verify=$!
bytes=$(bytes_written)
for round in 1 2 3; do
    wait_for has_written $((bytes + round * (4 << 20)))
    suspend && wait_for shown ring paused || break
    before=$(lines)
    sleep 0.2
    is_durable && [ "$(lines)" = "$before" ] || break
    resume && wait_for shown ring connected || break
done >"$work/rounds.out" 2>&1
check "a front end under load is paused and resumed, three times" \
    test $round = 3
check "each sector that it wrote reads back" wait $verify

# --- the end of the domain ---------------------------------------------------
held() { echo "$(held_by "$worker") vbdd-local $(held_by "$local_pid")"; }
end_suspended() {
    local victim
    vbdfront --local "$local_dir" --domid 1 bench --rw write --bs 16384 \
        --time 60 >"$work/bench.out" 2>&1 &
    victim=$!
    wait_for shown ring connected && suspend && wait_for shown ring paused ||
        return 1
    kill -KILL $victim
    wait $victim 2>/dev/null
    wait_for shown ring none
}
check "a domain ends while it is suspended" end_suspended
sleep 5 # idle buffers go back
first=$(held)
check "and the next, under the same number" end_suspended
is_held() { [ "$(held)" = "$first" ]; }
wait_for is_held || note "was $first, is $(held)"
check "nothing of them is kept" is_held
check "the disk works" eval \
    'front --domid 1 --vdev xvda read 0 8 >"$work/read" && [ -s "$work/read" ]'
check "and can be taken away" ctl detach --domid 1 --vdev xvda
finish
