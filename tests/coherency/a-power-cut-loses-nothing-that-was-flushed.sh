#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a power cut at any moment, with a ring of two queues and two NBD
# connections at work, leaves everything that a FLUSH of any path covered, that
# came before a BARRIER, or that was written with FUA; of the rest each sector
# is one of the values that it may have.
# Source: COHERENCY.md C2, C3, C5, C6, C7.
# Mechanism: SIGKILL of a worker whose engine keeps what is not flushed in its
# own memory, and writes some of it back in any order (cache, vbddengines(7));
# vbdverify judges the history by what the target then holds.
# VBDD_COHERENCY=long: 100 cuts.
. "$top_srcdir/tests/func/lib.sh" || exit 99
. "$top_srcdir/tests/coherency/lib.sh"
start_platform || bail "the platform did not start"
rounds=3
[ "${VBDD_COHERENCY:-short}" = short ] || rounds=25
seed=${VBDD_TEST_SEED:-$(date +%s)}
RANDOM=$seed
note "seed $seed (VBDD_TEST_SEED repeats it, but for what depends on timing)"

# The cut must be one: else there would be nothing to lose.
attach_disk --engine cache/aio
check "writes are answered" verify 0 --nbd "$nbd" --ops 1000 --range 0+512 \
    --mix write=1 --history "$work/history"
cut_power || bail "there is no worker to kill"
check "a power cut takes all of what was not flushed" \
    cmp -n 262144 "$disk" /dev/zero
check "which is no violation" \
    verify 0 check "$work/history" --image "$disk"

# cut ENGINE MIX: at some moment of the next half second
cut() {
    attach_disk --engine "$1"
    verify_until_cut 0.$((RANDOM % 5))$((RANDOM % 10)) --seed $((RANDOM + 1)) \
        --ring "$ring:queues=2" --nbd "$nbd" --nbd "$nbd" --range 0+1024 \
        --mix "$2" &&
        verify 0 check "$work/history" --image "$disk" && rm "$disk"
}
# Each in turn: all that makes durable; mostly one of them, since each flush
# covers what the others have forgotten.
mixes=(read=40,write=44,fua=4,zero=4,flush=4,barrier=4
    read=30,write=65,flush=5 read=30,write=67,barrier=3 read=30,write=30,fua=40)
for ((round = 1; round <= rounds; round++)); do
    for mix in "${mixes[@]}"; do
        below=delay:write=1ms,flush=3ms/aio
        [ $((RANDOM % 2)) = 0 ] || below=aio
        check "round $round, cache on $below, $mix" \
            cut "cache:size=256K,evict=10%,seed=$RANDOM/$below" "$mix"
        show
    done
done
finish
