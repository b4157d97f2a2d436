#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: vbdctl doctor says what a target is, who has it in use and what to do
# about each, and whether it can be attached; an attach then goes as it said. It
# needs no vbdd, and touches nothing.
# Source: C12; vbdctl(1).
# Mechanism: real files, loop devices, mounts, swap, locks and processes; after
# a verdict the same target is attached, where that does not lie in other hands.
. "$top_srcdir/tests/func/lib.sh" || exit 99

# verdict SENTENCE STATUS TARGET PATTERN...: the exit status, and what it says
verdict() {
    local sentence=$1 status=$2 target=$3 got=0 pattern missing=
    shift 3
    ctl doctor "$target" >"$work/says" 2>&1 || got=$?
    for pattern; do
        grep -q -- "$pattern" "$work/says" || missing+=" '$pattern'"
    done
    if [ $got = "$status" ] && [ -z "$missing" ]; then
        pass "$sentence"
    else
        fail "$sentence"
        note "status $got, wanted $status; missing:$missing"
        sed 's/^/#   /' "$work/says"
    fi
}

no_worker() { ! pgrep -P "$vbdd_pid" >/dev/null; }

# attaches TARGET MODE: can it be? A worker that was refused is gone after it.
attaches() {
    local status=0
    ctl attach --domid 9 --vdev xvda --target "$1" --mode "$2" || status=$?
    [ $status != 0 ] || ctl detach --domid 9 --vdev xvda || status=99
    wait_for no_worker || status=99
    return $status
}

# agrees SENTENCE TARGET: attaching goes as the doctor said
agrees() {
    local mode said did
    for mode in w r; do
        case $mode in w) said=can_write ;; r) said=can_read ;; esac
        ctl --json doctor "$2" | grep -q "\"$said\":true" && said=0 || said=1
        attaches "$2" $mode >"$work/attach" 2>&1 && did=0 || did=1
        if [ $said = $did ]; then
            pass "$1: attached with mode $mode as it was said"
        else
            fail "$1: attached with mode $mode as it was said"
            sed 's/^/#   /' "$work/attach"
        fi
    done
}

xl_line='backendtype=phy,script=block-vbdd,target='

# --- without vbdd -----------------------------------------------------------

truncate -s 1M "$work/plain"
dd if=/dev/urandom of="$work/plain" bs=64k count=16 conv=notrunc 2>/dev/null
verdict "without vbdd" 0 "$work/plain" "does not answer" \
    "plain can be attached" "$xl_line$work/plain" "by nobody"
verdict "a missing target" 1 "$work/missing" "cannot be attached" \
    "No such file"
verdict "a directory" 1 "$work" "is a directory"
verdict "a character device" 1 /dev/null "neither a block device nor"
mkfifo "$work/fifo"
verdict "a FIFO" 1 "$work/fifo" "neither a block device nor"
verdict "no name" 1 "" "cannot be attached"
(cd "$work" && ctl doctor plain) >"$work/out"
check "a relative name becomes an absolute one" grep -q \
    "target=$work/plain" "$work/out"
for words in "doctor" "doctor a b" "--watch doctor a"; do
    # shellcheck disable=SC2086
    ctl $words >"$work/out" 2>&1
    check "vbdctl $words: a mistake" [ $? = 2 ]
done
truncate -s 4k "$work/a b'c,d"
verdict "a name that has to be quoted" 0 "$work/a b'c,d" "can be attached" \
    "have to be quoted"
check "of that one no commands are shown" bash -c \
    "! grep -q block-vbdd '$work/says'"
: >"$work/empty"
verdict "an empty file" 1 "$work/empty" "0 bytes"
truncate -s 1000 "$work/odd"
verdict "an odd size" 1 "$work/odd" "1000 bytes"

# somebody listens there, and never says a word
python3 -c 'import signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
signal.pause()' "$work/mute" &
mute=$!
pids+=("$mute")
wait_for test -S "$work/mute"
check "a vbdd that does not answer is not waited for" \
    timeout 60 vbdctl --socket "$work/mute" doctor "$work/plain"
stop_pid "$mute"

# --- with vbdd --------------------------------------------------------------

start_platform || bail "the platform did not start"
verdict "a plain file" 0 "$work/plain" "1.0 MiB (1048576 bytes)" \
    "not a disk of it" "plain can be attached$"
agrees "a plain file" "$work/plain"
for odd in missing empty odd fifo; do agrees "$odd" "$work/$odd"; done
agrees "a directory" "$work"
agrees "a character device" /dev/null
truncate -s 900T "$work/sparse" 2>/dev/null || truncate -s 10T "$work/sparse"
verdict "a sparse file" 0 "$work/sparse" "0 B of it allocated" \
    "not the room"
agrees "a sparse file" "$work/sparse"

# dirty pages, unless the kernel happens to write back just then
is_dirty() {
    dd if=/dev/zero of="$work/plain" bs=64k count=16 conv=notrunc &&
        ctl doctor "$work/plain" | grep "dirty 1.0 MiB; an attach writes"
}
if ctl --json doctor "$work/plain" | grep -q '"dirty_bytes":[0-9]'; then
    check "a dirty page cache is told" wait_for is_dirty
else
    skip "a dirty page cache is told" "cachestat(2)"
fi

# a lock, and somebody who has it open: sleep has both, flock is only the first
flock "$work/plain" sleep 600 &
locker=$!
pids+=("$locker")
wait_for bash -c "! flock -n '$work/plain' true"
verdict "a lock" 1 "$work/plain" "cannot be attached: it is locked by" \
    "refused .*(flock) .*end pid"
check "who keeps us out is not only seen" bash -c \
    "! grep -q 'nly seen' '$work/says'"
agrees "a lock" "$work/plain"
pkill -P $locker
wait $locker 2>/dev/null
flock -s "$work/plain" sleep 600 &
locker=$!
pids+=("$locker")
wait_for bash -c "! flock -n '$work/plain' true"
verdict "a shared lock" 0 "$work/plain" "can be attached read-only: it is l" \
    "refused to write .*flock, shared" "access=ro"
agrees "a shared lock" "$work/plain"
pkill -P $locker
wait $locker 2>/dev/null

mkfifo "$work/feed"
dd if="$work/feed" of="$work/plain" conv=notrunc 2>/dev/null &
dd=$!
pids+=("$dd")
exec 7>"$work/feed"
wait_for bash -c "ls -l /proc/$dd/fd | grep '$work/plain'"
verdict "dd writes it" 0 "$work/plain" "plain can be attached$" \
    "only seen .*open for writing in dd, pid $dd .*end pid $dd" "Only seen:"
agrees "dd writes it" "$work/plain"
exec 7>&-
wait $dd

check "attach" ctl attach --domid 9 --vdev xvda --target "$work/plain"
ln "$work/plain" "$work/other-name"
verdict "our own, by another name" 0 "$work/other-name" \
    "disk [0-9]*, ready, 9/xvda (mode w), emulated clients 0" \
    "read-only: vbdd serves it already" "by nobody that can be seen"
verdict "another one" 0 "$work/sparse" "not a disk of it" \
    "sparse can be attached$"
check "one more reader" ctl attach --domid 10 --vdev xvda \
    --target "$work/plain" --mode r
check "detach" ctl detach --domid 10 --vdev xvda
refuses "one more writer" "9" ctl attach --domid 10 --vdev xvda \
    --target "$work/plain"
vbdctl --socket /nonexistent doctor "$work/plain" >"$work/out"
check "whom vbdd has, others find locked by its worker" grep -q \
    "cannot be attached: it is locked by vbdd" "$work/out"
check "detach" ctl detach --domid 9 --vdev xvda
check "attach read-only" ctl attach --domid 9 --vdev xvda --mode r \
    --target "$work/plain"
verdict "our own, read-only" 0 "$work/plain" "9/xvda (mode r)" \
    "serves it read-only already"
check "detach" ctl detach --domid 9 --vdev xvda

# what is shown can be done
shown() { sed -n 's/^  on the stand-in: //p' "$work/says"; }
verdict "once more a plain file" 0 "$work/plain" "plain can be attached$"
check "the command that is shown does it" bash -c "$(shown)"
check "detach" ctl detach --domid 1 --vdev xvda

# --- as root only -----------------------------------------------------------

if [ "$(id -u)" = 0 ] && loop=$(losetup -f --show "$work/plain" 2>/dev/null)
then
    trap 'umount "$work/mnt"; swapoff "$loop"; losetup -d "$loop"; stop_all
        rm -rf "$work"' EXIT
    verdict "a loop device" 0 "$loop" "loop device over $work/plain, buffered" \
        "$loop can be attached$" "write cache .*yes" "discard  .*at most"
    agrees "a loop device" "$loop"
    agrees "the file behind it" "$work/plain"
    verdict "the file behind it" 1 "$work/plain" \
        "cannot be attached: it is behind the loop device $loop" \
        "losetup -d $loop"
    mkdir "$work/mnt"
    if mount -t ramfs none "$work/mnt" 2>/dev/null; then
        truncate -s 1M "$work/mnt/disk"
        verdict "a file system without O_DIRECT" 0 "$work/mnt/disk" \
            "O_DIRECT  .*not on this" "target=buffered=yes,$work/mnt/disk"
        check "the command that is shown for it does it" bash -c "$(shown)"
        check "detach" ctl detach --domid 1 --vdev xvda
        umount "$work/mnt"
    else
        skip "a file system without O_DIRECT" "ramfs"
    fi
    if mkfs.ext4 -q -F "$loop" && mount "$loop" "$work/mnt"; then
        verdict "a mount" 0 "$loop" \
            "read-only: it is mounted on $work/mnt" "umount $work/mnt" \
            "sees it change"
        agrees "a mount" "$loop"
        flock -s "$loop" sleep 600 &
        locker=$!
        pids+=("$locker")
        wait_for bash -c "! flock -n '$loop' true"
        verdict "a mount and a lock" 0 "$loop" "read-only: it is mounted on" \
            "refused to write  mounted" "refused to write  locked"
        pkill -P "$locker"
        wait "$locker" 2>/dev/null
        verdict "the file behind a mount" 1 "$work/plain" \
            "which is mounted on $work/mnt"
        umount "$work/mnt"
    else
        skip "a mount" "mount and mkfs.ext4"
    fi 2>/dev/null
    if mkswap "$loop" >/dev/null 2>&1 && swapon "$loop" 2>/dev/null; then
        agrees "swap" "$loop"
        verdict "swap" 1 "$loop" "cannot be attached: it is swap" \
            "swapoff $loop"
        swapoff "$loop"
    else
        skip "swap" "swapon"
    fi
    losetup -d "$loop"
    loop=$(losetup -f --show -r -b 4096 "$work/plain")
    verdict "a read-only device of 4 KiB sectors" 0 "$loop" \
        "read-only: it is read-only$" "sectors  .*4096 bytes" "sector-size=4096"
    agrees "a read-only device of 4 KiB sectors" "$loop"
    agrees "behind ro" "$work/plain"
    verdict "the file behind it" 0 "$work/plain" "can be attached read-only"
    losetup -d "$loop"
    trap 'stop_all; rm -rf "$work"' EXIT
else
    skip "loop devices, mounts and swap" "root and loop devices"
fi
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 600 "$work/plain"
    cp "$(command -v vbdctl)" "$work/vbdctl" && chmod 755 "$work/vbdctl"
    setpriv --reuid 65534 --clear-groups "$work/vbdctl" doctor "$work/plain" \
        >"$work/out" 2>&1
    check "as nobody: refused" [ $? = 1 ]
    check "as nobody: told why" grep -q "Permission denied; ask as root" \
        "$work/out"
    chmod 644 "$work/plain"
    setpriv --reuid 65534 --clear-groups "$work/vbdctl" doctor "$work/plain" \
        >"$work/out" 2>&1
    check "as nobody: what may not be seen is said" grep -q \
        "as far as others than root see" "$work/out"
else
    skip "as nobody" "root and setpriv"
fi
ctl --json doctor "$work/plain" >"$work/out"
check "the report is one JSON object on one line" bash -c \
    "[ \$(wc -l < '$work/out') = 1 ] && python3 -m json.tool '$work/out'"
finish
