#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: no empty FLUSH or BARRIER is answered other than OK; while a flush
# fails for a while it is retried; when it fails for good the disk fail-stops:
# reads and writes get errors, the flush no answer, the state is shown and ends
# by re-attach only. On a target where a retry would lie, at once.
# Source: C8.
# Mechanism: the error engine fails flushes while a file exists (transient: the
# file is removed again), standing for a block device (retry=yes) or a file.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
truncate -s 4M "$work/disk.img"
dom() { front --domid 7 --vdev xvda "$@"; }
attach() { # RETRY
    ctl attach --domid 7 --vdev xvda --target "$work/disk.img" \
        --engine "error:flush=EIO,file='$work/failing',retry=$1/aio"
}
shown() { ctl show 7/xvda | grep -q "$1"; }

check "a disk with an engine whose flushes can fail" attach yes
check "a flush succeeds while the engine does" dom flush
touch "$work/failing"
dom flush >"$work/flush.out" 2>&1 &
flush=$!
sleep 2
check "a failing flush is held back, not failed" kill -0 $flush
rm "$work/failing"
check "it is answered OK when the device has recovered" wait $flush
check "the disk goes on" dom write 0 < <(head -c 512 /dev/zero)
check "detach" ctl detach --domid 7 --vdev xvda

check "a disk where a retry would lie" attach no
touch "$work/failing"
# 124: timeout(1) had to end it, because no answer came
timeout 3 vbdfront --local "$local_dir" --domid 7 --vdev xvda flush \
    >"$work/flush.out" 2>&1
check "the flush is not answered" test $? = 124
check "the disk is shown as fail-stopped" wait_for shown "fail-stop"
refuses "a read gets an error" "error\|EIO" dom read 0 1
refuses "a write gets an error" "error\|EIO" dom write 0 \
    < <(head -c 512 /dev/zero)
check "the log says so" grep -q -i "fail-stop" "$work/vbdd.log"
rm "$work/failing"
refuses "it does not heal by itself" "error\|EIO" dom read 0 1
ctl detach --domid 7 --vdev xvda >"$work/detach.out" 2>&1
check "re-attach ends it" attach no
check "a flush is answered again" dom flush
finish
