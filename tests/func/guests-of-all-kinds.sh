#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: whatever system's driver comes, vbdd serves it: it connects, every
# sector keeps what is written, its flush reaches the disk, it sees a resize
# where it can, reconnects and closes, and leaves nothing behind. A firmware
# hands the disk over to the system that it boots, and a crashed kernel to the
# one that saves its memory.
# Source: docs/PROTOCOL.md, sections 3 and 8.
# Mechanism: vbdfront --as each of its profiles. What xenstore-watch saw of the
# device's nodes is held against a list, in which no two are the same; the
# values are in tests/unit/frontend-profiles.c.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
domid=0
head -c 65536 /dev/urandom > "$work/data"
with_store() { XENSTORED_PATH=$local_dir/xenstored "$@"; }

# a fresh disk for a fresh domain
attach() {
    domid=$((domid + 1)) node=/local/domain/$domid/device/vbd/51712
    truncate -s 8M "$work/disk.$domid"
    ctl attach --domid $domid --vdev xvda --target "$work/disk.$domid" \
        --option grants=persistent --option queues=2 \
        --option ring-page-order=1
}
back_end_is() {
    [ "$(with_store xenstore-read \
        "/local/domain/0/backend/vbd/$domid/51712/state")" = "$1" ]
}
# Its domain dies with it. Xen gives the number to nobody else for long; here
# the next one has it, and is to find that this death has been noticed.
guest() {
    local status=0
    front --domid $domid --vdev xvda --as "$@" || status=$?
    wait_for back_end_is 6
    return $status
}
count_of() { stat_of "$1" $domid/xvda; }

# the names of the nodes that are written from here on, in order
watch_node() {
    # not by with_store: its shell would be what is killed
    XENSTORED_PATH=$local_dir/xenstored xenstore-watch "$node" \
        >"$work/watch.$domid" 2>&1 &
    watcher=$!
    pids+=("$watcher")
    wait_for test -s "$work/watch.$domid"
}
written() { sed "1d;s|^$node/||" "$work/watch.$domid" | tr '\n' ' '; }
has_written() { [ "$(written)" = "$1 " ]; }
says_written() {
    wait_for has_written "$1" && return
    echo "written: $(written)"
    echo "wanted:  $1"
    return 1
}

# FLUSHES BARRIERS: what the flush of one run is on the ring
flushes_by() {
    local flushes barriers engine
    flushes=$(count_of flush) barriers=$(count_of barrier)
    engine=$(count_of engine_flushes)
    guest "$profile" flush || return 1
    echo "flush $flushes to $(count_of flush), barrier $barriers to" \
         "$(count_of barrier), engine $engine to $(count_of engine_flushes)"
    [ "$(count_of flush)" = $((flushes + $1)) ] &&
        [ "$(count_of barrier)" = $((barriers + $2)) ] &&
        [ "$(count_of engine_flushes)" -gt "$engine" ]
}
write_data() { guest "$1" write 128 < "$work/data"; }
finds_data() { guest "$1" read 128 128 | cmp - "$work/data"; }
resize() { # yes|no: is it seen?
    local reader status=0 out=$work/follow.$domid
    mkfifo "$work/fifo.$domid"
    guest "$profile" info --follow <"$work/fifo.$domid" >"$out" 2>&1 &
    reader=$!
    exec 9>"$work/fifo.$domid"
    wait_for grep -q '^size' "$out" || status=1
    truncate -s 12M "$work/disk.$domid"
    ctl resize $domid/xvda || status=1
    if [ "$1" = yes ]; then
        wait_for grep -q '^new size  *24576 sectors' "$out" || status=1
    else
        sleep 0.5
    fi
    exec 9>&-
    wait $reader || status=1
    cat "$out"
    [ "$1" = yes ] || ! grep -q '^new' "$out" || status=1
    return $status
}
is_left() { # STATE
    [ "$(with_store xenstore-read "$node/state")" = "$1" ] &&
        [ "$(count_of in_flight)" = 0 ]
}
leaves_nothing() {
    local worker
    worker=$(pgrep -P "$vbdd_pid" -f "disk.$domid")
    wait_for is_left "$1" || return 1
    ctl detach --domid $domid --vdev xvda && ! kill -0 "$worker" 2>/dev/null
}

# a PROFILE SEES-RESIZE FLUSHES BARRIERS LAST-STATE NODES...: the requests of a
# flush, the state that it ends in, the nodes that one connection writes
a() {
    local profile=$1 sees=$2 flushes=$3 barriers=$4 last=$5
    shift 5
    attach >"$work/attach.out" || bail "attach failed"
    watch_node
    check "$profile: every sector keeps what is written" \
        guest "$profile" verify --stamp
    check "$profile: it writes its own nodes in its own order" \
        says_written "$*"
    kill "$watcher"
    wait "$watcher" 2>/dev/null
    check "$profile: its flush reaches the disk" \
        flushes_by "$flushes" "$barriers"
    check "$profile: writes" write_data "$profile"
    check "$profile: reconnects, and the data is there" \
        finds_data "$profile,$profile,$profile"
    check "$profile: a resize (seen: $sees)" resize "$sees"
    check "$profile: it closes and leaves nothing" leaves_nothing "$last"
}

# an ending is Closing and Closed, or Initialising after them
closed='state state' ended='state state state'
up='state state' # Initialised and Connected
small='ring-ref event-channel'
# shellcheck disable=SC2086
{
    a linux yes 1 0 6 multi-queue-num-queues \
        queue-0/ring-ref queue-0/event-channel \
        queue-1/ring-ref queue-1/event-channel \
        protocol feature-persistent $up $closed
    a linux-2006 no 0 1 6 $small $up $closed
    a kdump yes 1 0 6 $small protocol feature-persistent $up $closed
    a windows yes 1 0 6 state state state queue-0/event-channel \
        queue-1/event-channel queue-0/ring-ref0 queue-0/ring-ref1 \
        queue-1/ring-ref0 queue-1/ring-ref1 multi-queue-num-queues \
        ring-page-order protocol feature-persistent target-id \
        feature-surprise-remove feature-online-resize \
        feature-large-sector-size $up $closed
    a freebsd no 1 0 6 ring-ref0 ring-ref1 num-ring-pages ring-page-order \
        event-channel protocol $up $closed
    a netbsd no 1 0 6 $small protocol $up $closed
    a ovmf no 2 2 1 $small protocol state $ended $small protocol
    a mini-os no 2 2 1 $small protocol state $ended $small
}
names() { vbdfront --as help | cut -d' ' -f1; }
check "these are all that there are" test "$(names | wc -l)" = $domid

attach >"$work/attach.out" || bail "attach failed"
check "a boot: the firmware writes" write_data ovmf
check "the system that it boots finds that" finds_data ovmf,linux
check "and uses all of the disk" guest ovmf,linux verify --stamp
check "it closes and leaves nothing" leaves_nothing 6

attach >"$work/attach.out" || bail "attach failed"
check "a crash: a system writes" write_data linux
watch_node
reads=$(count_of read)
check "the kernel that saves its memory takes over in mid-I/O" \
    finds_data linux,kdump
check "the crashed one's reads were on the ring" \
    test "$(count_of read)" -gt $((reads + 1))
takes_over() { written | grep -q "persistent state state state state state .*\
ring-ref event-channel protocol feature-persistent state state state state $"; }
check "by way of Closing, Closed and Initialising" wait_for takes_over
check "it uses all of the disk" guest linux,kdump verify --stamp
check "and any system may follow" guest linux,windows,freebsd,netbsd flush
check "it closes and leaves nothing" leaves_nothing 6

refuses "a system that is none is refused" "as has" guest plan9 info
check "the daemons are alive" ctl ping
kill "$watcher"
wait "$watcher" 2>/dev/null
check "no watcher is left" \
    test -z "$(pgrep -f 'xenstore-watch /local/domain/[0-9]*/device/vbd/51712')"
finish
