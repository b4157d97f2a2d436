#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a target that cannot be had is refused with one clear sentence that
# names it, and nothing is left half attached.
# Source: C1, C12.
# Mechanism: each attach is followed by a look at store, processes and locks.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
attach() { ctl attach --domid 9 --vdev xvda "$@"; }
nothing_left() {
    ! XENSTORED_PATH=$local_dir/xenstored \
        xenstore-ls /local/domain/0/backend/vbd/9 &&
        ! pgrep -P "$vbdd_pid" >/dev/null
}
row() { # SENTENCE PATTERN ATTACH-OPTIONS...
    refuses "$1: refused" "$2" attach "${@:3}"
    check "$1: nothing is left" wait_for nothing_left
}
truncate -s 1000 "$work/odd"
: > "$work/empty"
truncate -s 1M "$work/locked" "$work/good"
row "a missing target" "No such file" --target "$work/missing"
row "a directory" "neither a block device nor a file" --target "$work"
row "a character device" "neither a block device nor a file" --target /dev/null
row "an odd size" "1000 bytes" --target "$work/odd"
row "an empty file" "0 bytes" --target "$work/empty"
row "a relative path" "absolute" --target disk.img
row "an unknown engine" "nosuch" --target "$work/good" --engine nosuch
row "a bad engine parameter" "EWHAT" --target "$work/good" \
    --engine error:read=EWHAT/aio
row "an unknown mode" "mode" --target "$work/good" --mode x
row "an unknown vdev" "vdev\|device" --target "$work/good" --vdev qqq
flock "$work/locked" sleep 60 &
locker=$!
pids+=($locker)
sleep 0.2
row "a target locked by another process" "locked by [a-z]*, pid [0-9]* (flock)" --target "$work/locked"
pkill -P $locker; kill $locker 2>/dev/null
check "a good one is attached" attach --target "$work/good"
refuses "the same vdev twice" "already" attach --target "$work/good"
refuses "a second writer from another domain" "9" \
    ctl attach --domid 10 --vdev xvda --target "$work/good"
ln "$work/good" "$work/other-name"
refuses "the same by another name" "." \
    ctl attach --domid 10 --vdev xvda --target "$work/other-name"
check "the good one still works" front --domid 9 --vdev xvda flush
check "detach" ctl detach --domid 9 --vdev xvda
refuses "detach of what is not there" "9" ctl detach --domid 9 --vdev xvda
finish
