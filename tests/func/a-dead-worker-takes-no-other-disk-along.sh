#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a worker that dies is noticed and reported; other disks do not notice;
# the dead one's disk can be detached and attached again.
# Source: ARCHITECTURE.md (a crash stays within one disk).
# Mechanism: SIGKILL to one of three workers while another one does I/O.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
for i in 1 2 3; do
    truncate -s 8M "$work/disk.$i"
    ctl attach --domid $i --vdev xvda --target "$work/disk.$i" ||
        bail "attach $i failed"
done
victim=$(pgrep -P "$vbdd_pid" -f "disk.2")
front --domid 1 --vdev xvda bench --rw randwrite --time 2 \
    >"$work/bench.out" 2>&1 &
bench=$!
sleep 0.5
kill -KILL "$victim"
shown() { ctl show "$1" | grep -q -i "$2"; }
check "the death is shown, with the signal" wait_for shown 2/xvda \
    "killed by signal 9"
check "and logged" grep -q -i "killed by signal 9" "$work/vbdd.log"
check "the neighbour's I/O goes on" wait $bench
head -c 4096 /dev/urandom > "$work/data"
third() {
    front --domid 3 --vdev xvda write 0 < "$work/data" &&
        front --domid 3 --vdev xvda read 0 8 | cmp - "$work/data"
}
check "the other disk works" third
refuses "the dead disk's front end is told" "." \
    front --domid 2 --vdev xvda --timeout 3 read 0 1
check "the dead disk is detached" ctl detach --domid 2 --vdev xvda --force
check "and attached again" \
    ctl attach --domid 2 --vdev xvda --target "$work/disk.2"
check "and works" front --domid 2 --vdev xvda flush
finish
