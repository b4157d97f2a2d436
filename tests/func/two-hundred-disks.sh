#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: 200 disks are attached, verified and detached; descriptors, mappings,
# event-channel ports, processes and memory of the daemons are the same before
# and after; an idle worker wakes up 0 times in 10 s.
# Source: COHERENCY.md (C1, C12).
# Mechanism: the second round's counts are compared with the first round's, so
# that what a first use leaves behind once (locale, heap) does not count.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
nr=200
[ -z "${VALGRIND:-}" ] || nr=10
local_pid=${pids[0]}

attach_all() {
    local i
    for ((i = 1; i <= nr; i++)); do
        ctl attach --domid "$i" --vdev xvda --target "$work/disk.$i" || return 1
    done
}
verify_all() {
    local i
    for ((i = 1; i <= nr; i++)); do
        front --domid "$i" --vdev xvda copy in "$work/data.$((i % 5))" &&
            front --domid "$i" --vdev xvda verify "$work/data.$((i % 5))" &&
            cmp "$work/disk.$i" "$work/data.$((i % 5))" || return 1
    done
}
detach_all() {
    local i
    for ((i = 1; i <= nr; i++)); do
        ctl detach --domid "$i" --vdev xvda || return 1
    done
}
workers() { pgrep -c -P "$vbdd_pid" || true; }
memory_of() { awk '/^Rss/ {sum += $2} END {print sum}' "/proc/$1/smaps_rollup"; }
counts() {
    echo "vbdd $(held_by "$vbdd_pid") vbdd-local $(held_by "$local_pid")" \
         "workers=$(workers)" \
         "nodes=$(XENSTORED_PATH=$local_dir/xenstored xenstore-ls / |
                  grep -c -v '^ *[0-9]* = ""')" \
         "state-dirs=$(find "$state_dir" | wc -l)"
}

for i in 0 1 2 3 4; do head -c 1M /dev/urandom > "$work/data.$i"; done
for ((i = 1; i <= nr; i++)); do truncate -s 1M "$work/disk.$i"; done

check "$nr disks are attached" attach_all
check "each disk has one worker" test "$(workers)" = $nr
check "each disk is written and verified through its ring" verify_all
one=$(pgrep -P "$vbdd_pid" | head -n 1)
note "an idle worker: $(awk '/^Pss:/ {print "PSS " $2 " kB"}
    /^Private_/ {p += $2} END {print "private " p " kB"}' \
    "/proc/$one/smaps_rollup" | xargs)"
all_wakeups() {
    local sum=0 pid
    for pid in $(pgrep -P "$vbdd_pid"); do
        sum=$((sum + $(awk '/^voluntary_ctxt/ {s += $2} END {print s}' \
            /proc/"$pid"/task/*/status)))
    done
    echo $sum
}
for i in $(seq 10); do # until idle buffers have gone back
    before=$(all_wakeups)
    sleep 5
    [ "$before" = "$(all_wakeups)" ] && break
done
before=$(all_wakeups)
sleep 10
after=$(all_wakeups)
note "wake-ups of $nr idle workers in 10 s: $((after - before))"
check "idle workers do not wake up" test "$before" = "$after"
check "$nr disks are detached" detach_all
first=$(counts) rss=$(memory_of "$vbdd_pid")
check "and once more: attached" attach_all
check "verified" verify_all
check "detached" detach_all
second=$(counts) rss_after=$(memory_of "$vbdd_pid")
note "after the first round:  $first"
note "after the second round: $second"
note "RSS of vbdd: $rss kB, then $rss_after kB"
check "descriptors, processes, nodes are the same" test "$first" = "$second"
check "no worker is left" test "$(workers)" = 0
if is_instrumented; then
    skip "the supervisor's memory has not grown by 1 MiB" \
        "to run without valgrind and AddressSanitizer, which keep what is freed"
else
    check "the supervisor's memory has not grown by 1 MiB" \
        test $((rss_after - rss)) -lt 1024
fi
finish
