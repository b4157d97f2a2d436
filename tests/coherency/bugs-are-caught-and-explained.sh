#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: were there a bug in the coherency layer, vbdverify would find it from
# outside, over rings and NBD, and say in a sentence who wrote what when and
# what was read; where there is none it finds nothing.
# Source: COHERENCY.md C3 to C8, C13, C15.
# Mechanism: vbdd-disk-bugs, the worker with one bug of one line or two, behind
# the same vbdd, paths and engines as with none. Bugs of order and merging show
# in what is read (blocks of 4096 bytes below sectors of 512; delays make the
# gaps wide enough); those of flushes and barriers in what a power cut leaves:
# the worker is killed, and its engine's volatile cache is gone.
. "$top_srcdir/tests/func/lib.sh" || exit 99
. "$top_srcdir/tests/coherency/lib.sh"

cat >"$work/worker" <<'END'
#!/bin/sh
VBDD_COHERENCY_BUG=$(cat "${0%/*}/bug") exec "$top_builddir/vbdd-disk-bugs" "$@"
END
chmod 755 "$work/worker"
start_platform --worker "$work/worker" || bail "the platform did not start"

rounds=60 tried=()
blocks=mem:size=4M,block=4K

# What is judged: each with bug and without; status 1 is a violation.
live() { # ENGINE OPTIONS...
    attach_disk --engine "$1"
    shift
    vbdverify --ring "$ring:queues=2" --nbd "$nbd" --nbd "$nbd" --timeout 5 \
        --range 0+64 "$@" >"$work/said" 2>&1
    status=$?
    detach_disk
}
after_cut() { # OPTIONS...
    status=9
    "$@" || { show; return; }
    vbdverify check "$work/history" --image "$disk" >"$work/said" 2>&1
    status=$?
    rm -f "$disk"
}
# All is answered, then the power is cut.
answered() {
    attach_disk --engine "$1"
    shift
    verify 0 --nbd "$nbd" --nbd "$nbd" --history "$work/history" \
        --range 0+512 "$@" && cut_power
}
cut_after() { after_cut answered "$@"; }
# The power is cut while all is under way. One queue: with more the front end
# brings all to rest before a barrier.
on_ring() {
    attach_disk --engine "$1"
    shift
    verify_until_cut 0.2 --ring "$ring" "$@"
}
on_nbd() {
    attach_disk --engine "$1"
    shift
    verify_until_cut 0.2 --nbd "$nbd" --nbd "$nbd" --range 0+512 "$@"
}
cut_ring() { after_cut on_ring "$@"; }
cut_nbd() { after_cut on_nbd "$@"; }

# bug NAME live|cut_after|cut_nbd|cut_ring ENGINE OPTIONS...
bug() {
    local name=$1 round
    shift
    tried+=("$name")
    echo none >"$work/bug"
    "$@"
    check "without $name nothing is found" test "$status" = 0
    [ "$status" = 0 ] || show
    echo "$name" >"$work/bug"
    for ((round = 1; round <= rounds; round++)); do
        "$@"
        [ "$status" = 0 ] || break
    done
    check "$name is found" test "$status" = 1
    check "$name is explained" explanation
    note "$name, in round $round: $(explanation)"
}

bug wrong-merge live $blocks --ops 1000
bug stale-edge live $blocks --ops 1000 --sectors 32
bug zero-no-merge live $blocks --ops 1000
bug part-error-lost live error:write=EIO,after=100,every=5/$blocks \
    --ops 2000 --sectors 32 --allow-errors
late=delay:read=500us,write=500us/$blocks
bug early-release live $late --ops 500
bug edge-unlocked live $late --ops 500
bug edge-read-early live $late --ops 500

writes=write=60,read=10
bug ignore-fua cut_after cache/aio --ops 500 --mix $writes,fua=20
bug flush-per-client cut_nbd cache/delay:flush=100ms/aio --depth 64 \
    --mix write=80,read=10,flush=3
bug flush-failure-ignored cut_after error:flush=EIO,after=1/cache/aio \
    --ops 500 --mix $writes,flush=10 --allow-errors
bug join-running-flush cut_after cache/delay:flush=10ms/aio \
    --ops 3000 --mix $writes,flush=1

bug barrier-not-durable cut_ring delay:write=1ms/cache/aio \
    --depth 4 --mix $writes,barrier=1
bug barrier-no-drain cut_ring delay:read=30ms/cache/aio --range 0+64 \
    --mix read=30,write=70,barrier=1
bug barrier-no-gate cut_ring delay:read=100ms/cache/aio --range 0+512 \
    --mix read=5,write=70,fua=20,barrier=1

# hidden NAME WHY: it cannot show so.
hidden() { tried+=("$1"); note "not tried: $1: $2"; }
hidden read-overtakes "a read may return the old or the new anyway, unless \
the device tears a sector"
hidden no-write-through "what was lost had not been promised to be durable; \
coherency-flush sees that it is not written through"
hidden zero-is-durable "vbdverify has no durable zeros"
hidden ack-before-write "the worker dies of memory that it has let go"
hidden lost-waiter "nothing wrong is answered: nothing is; a lost path"

all_tried() {
    VBDD_COHERENCY_BUG="?" vbdd-disk-bugs --socket 0 |
        sed '/^none:/d; s/:.*//' | sort >"$work/names"
    printf '%s\n' "${tried[@]}" | sort | diff "$work/names" -
}
check "no bug is forgotten" all_tried
finish
