#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: when vbdd is killed, its workers drain, flush and end, so that every
# target is free; the next vbdd attaches the disks again and goes on with their
# rings. When a worker is killed as well, its ring is lost: the next vbdd closes
# the vbd, with a sentence, and serves a front end that connects anew.
# Source: C12; docs/COHERENCY.md, "When vbdd is away".
# Mechanism: SIGKILL to vbdd under load, twice; to its worker, too, while vbdd is
# stopped and cannot notice.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
truncate -s 4M "$work/disk.img"
check "a disk is attached" \
    ctl attach --domid 2 --vdev xvda --target "$work/disk.img"
head -c 4096 /dev/urandom > "$work/data"
check "data are written and flushed" \
    front --domid 2 --vdev xvda write 800 --fua < "$work/data"
front --domid 2 --vdev xvda bench --rw randread --time 60 \
    >"$work/bench.out" 2>&1 &
bench=$!
sleep 0.5
worker=$(pgrep -P "$vbdd_pid")
kill -KILL "$vbdd_pid"
wait "$vbdd_pid" 2>/dev/null
is_gone() { ! kill -0 "$1"; }
check "the worker ends by itself" wait_for is_gone "$worker"
check "nobody holds the target" flock -n "$work/disk.img" true
start_vbdd
ring_is_connected() { ctl list | grep -q '^2/xvda .* connected '; }
check "the next vbdd goes on with the ring" wait_for ring_is_connected
check "the front end does not notice" kill -0 $bench
kill -STOP "$vbdd_pid"
kill -KILL "$(pgrep -P "$vbdd_pid")"
kill -KILL "$vbdd_pid"
wait "$vbdd_pid" 2>/dev/null
start_vbdd
check "the front end is told that its ring is lost" wait_for is_gone $bench
note "$(tail -n 1 "$work/bench.out")"
reads_back() { front --domid 2 --vdev xvda read 800 8 | cmp - "$work/data"; }
check "a new front end is served, and the data are there" wait_for reads_back
check "the log says what happened" grep -q "its ring was lost" "$work/vbdd.log"
check "detach" ctl detach --domid 2 --vdev xvda
finish
