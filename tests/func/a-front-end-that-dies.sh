#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a front end that is killed in mid-I/O, 20 times in a row, costs nobody
# but itself anything: each time the next one connects at once and finds the
# disk in order, a neighbour on the same disk and one on another do not notice,
# and no daemon keeps a descriptor or a mapping.
# Source: ARCHITECTURE.md.
# Mechanism: SIGKILL to `vbdfront bench`, whose domain dies with it. What the
# daemons hold is compared with what they held after a first death.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
local_pid=${pids[0]} deaths=20
[ -z "${VALGRIND:-}" ] || deaths=3
truncate -s 32M "$work/disk.1" "$work/disk.2"
head -c 4096 /dev/urandom > "$work/data"
attach() { # DOMID DISK
    ctl attach --domid "$1" --vdev xvda --target "$work/disk.$2" --mode 'w!'
}
attach 1 1 && attach 2 1 && attach 3 2 || bail "attach failed"
shared=$(pgrep -P "$vbdd_pid" -f disk.1)
other=$(pgrep -P "$vbdd_pid" -f disk.2)

held() {
    echo "vbdd $(held_by "$vbdd_pid") shared disk $(held_by "$shared")" \
         "other disk $(held_by "$other") vbdd-local $(held_by "$local_pid")"
}
is_held() { [ "$(held)" = "$1" ]; }
# only the one that dies writes to that disk
has_written() { [ "$(stat_of write 1)" -gt $(($1 + 100)) ]; }
die() {
    local victim before
    before=$(stat_of write 1)
    vbdfront --local "$local_dir" --domid 1 bench --rw mixed --bs 16384 \
        --time 60 >"$work/victim.out" 2>&1 &
    victim=$!
    wait_for has_written "$before"
    kill -KILL $victim
    wait $victim 2>/dev/null
    [ $? = 137 ]
}
works() {
    front --domid 1 --vdev xvda write 100 < "$work/data" &&
        front --domid 1 --vdev xvda read 100 8 | cmp - "$work/data"
}
die_and_work() { die && works; }
neighbour() { # DOMID RW...: until there is a file "enough"
    while [ ! -e "$work/enough" ]; do
        front --domid "$1" --vdev xvda bench --rw "$2" --depth 4 \
            --count 10000 >>"$work/neighbour.$1" 2>&1 || return 1
    done
}

# once for what a first use leaves behind for good, of neighbours as well
check "a front end is killed in mid-I/O, the next one works" die_and_work
touch "$work/enough"
check "a neighbour" front --domid 2 --vdev xvda read 0 8
check "and another" front --domid 3 --vdev xvda read 0 8
sleep 5 # idle buffers go back
first=$(held)

rm "$work/enough"
neighbour 2 randread &
same=$!
neighbour 3 mixed &
apart=$!
pids+=($same $apart)
worked=0
for ((i = 0; i < deaths; i++)); do
    die_and_work >>"$work/deaths.out" 2>&1 && worked=$((worked + 1))
done
note "$worked of $deaths came back"
check "$deaths times in a row" test $worked = $deaths
touch "$work/enough"
check "the neighbour on the same disk does not notice" wait $same
check "nor does the one on another disk" wait $apart
is_idle() { [ "$(stat_of in_flight 1) $(stat_of bytes_in_flight 1)" = "0 0" ]; }
check "no request is left, nor a byte of its data" wait_for is_idle
note "descriptors and mappings: $first"
wait_for is_held "$first" || note "now: $(held)"
check "the daemons hold what they held before" is_held "$first"
same_workers() { kill -0 "$shared" && kill -0 "$other"; }
check "and are the same processes" same_workers
finish
