#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: whoever else has a target open, or opens it later, is refused by the
# kernel's claim or by locks, and named where that can be; who can only be
# detected is shown by `vbdctl doctor`; readers share with readers. The table
# is printed at the end.
# Source: C1, C12; COHERENCY.md "Who else has it open".
# Mechanism: each opener is real. It comes first and our attach is refused with
# a sentence that names it, or it comes after us and is refused itself.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"
attach() { ctl attach --domid 9 --vdev xvda "$@"; }
detach() { ctl detach --domid 9 --vdev xvda >/dev/null; }

# --- the table ----------------------------------------------------------------

openers=()
declare -A they_first we_first
said() { # TABLE OPENER PATTERN: the line that says so, without this run's names
    local -n table=$1
    [ -n "${they_first[$2]-}${we_first[$2]-}" ] || openers+=("$2")
    table[$2]=$(grep -m 1 -e "$3" "$work/check.out" | sed "s,$work,...,g
        s/^vbdctl: //; s/^target [^ ]* //; s/^ *//; s/pid [0-9]*/pid N/g")
}

# named OPENER TARGET SAYS START STOP [ATTACH-OPTIONS...]: the opener, started
# with TARGET, keeps us out, and our sentence names it
named() {
    local opener=$1 target=$2 says=$3 start=$4 stop=$5
    shift 5
    if ! "$start" "$target" >"$work/start.log" 2>&1; then
        fail "$opener first: it has it"
        note "$(cat "$work/start.log")"
        return
    fi
    refuses "$opener first: we are refused, and told" "$says" \
        attach --target "$target" "$@"
    said they_first "$opener" "$says"
    [ "$(head -n 1 "$work/check.out" | wc -c)" -lt 265 ] ||
        fail "$opener first: the sentence fits"
    $stop
}

# kept_out OPENER TARGET ANSWER START [ATTACH-OPTIONS...]: we keep it out
kept_out() {
    local opener=$1 target=$2 answer=$3 start=$4
    shift 4
    check "$opener after us: we have it" attach --target "$target" "$@"
    refuses "$opener after us: it is refused" "$answer" "$start" "$target"
    said we_first "$opener" "$answer"
    detach
}

# let_in OPENER TARGET START STOP [ATTACH-OPTIONS...]: in both orders
let_in() {
    local opener=$1 target=$2 start=$3 stop=$4
    shift 4
    check "$opener first: it has it" "$start" "$target"
    check "$opener first: we get it too" attach --target "$target" "$@"
    echo accepted >"$work/check.out"; said they_first "$opener" .
    detach
    $stop
    check "$opener after us: we have it" attach --target "$target" "$@"
    check "$opener after us: it gets it too" "$start" "$target"
    echo accepted >"$work/check.out"; said we_first "$opener" .
    $stop
    detach
}

# detected OPENER TARGET SHOWS START STOP [ATTACH-OPTIONS...]: nobody keeps it
# out; doctor sees it
detected() {
    local opener=$1 target=$2 shows=$3 start=$4 stop=$5
    shift 5
    check "$opener after us: we have it" attach --target "$target" "$@"
    check "$opener after us: nothing keeps it out" "$start" "$target"
    check "$opener after us: doctor shows it" doctor_shows "$target" "$shows"
    sed 's/^ */doctor: /' "$work/doctor" >"$work/check.out"
    said we_first "$opener" "$shows"
    $stop
    detach
}
doctor_shows() {
    vbdctl doctor "$1" >"$work/doctor" 2>&1
    cat "$work/doctor"
    grep -q -e "$2" "$work/doctor"
}

# --- openers that hold --------------------------------------------------------

holder=
in_background() {
    "$@" >/dev/null 2>&1 &
    holder=$!
    pids+=("$holder")
}
end_holder() { stop_pid "$holder"; }
nothing() { :; }

mount_it() { mount "$1" "$work/mnt"; }
unmount_it() { umount "$work/mnt"; }
swap_on() { swapon "$1" && swapped=$1; }
swap_off() { swapoff "$swapped" && swapped=; }

locked() { # TARGET: somebody holds a flock
    ! flock -n "$1" true
}
flock_now() { flock -n --verbose "$1" true; }
flock_it() { in_background flock "$1" sleep 600 && wait_for locked "$1"; }
flock_end() { pkill -P "$holder"; end_holder; }

daemon_ends() { # its pid's file
    local pid
    pid=$(cat "$1") && kill "$pid" && wait_for test ! -e "/proc/$pid/fd/0"
}

nbd_of() { # OPTIONS... TARGET
    qemu-nbd --fork --persistent --pid-file="$work/nbd.pid" \
        --socket="$work/nbd.sock" -f raw "$@"
}
nbd_write() { nbd_of "$1"; }
nbd_read() { nbd_of -r "$1"; }
nbd_behind() { nbd_of "$work/behind"; }
nbd_end() { daemon_ends "$work/nbd.pid"; }

qemu_ide() {
    qemu-system-x86_64 -S -display none -monitor none -serial none -vga none \
        -machine pc -daemonize -pidfile "$work/qemu.pid" \
        -drive "file=$1,format=raw,if=ide"
}
qemu_end() { daemon_ends "$work/qemu.pid"; }

second() {
    vbdctl --socket "$work/state2/control" "$@" --domid 9 --vdev xvda
}
second_attach() { second attach --target "$1"; }
second_by_link() {
    ln -f "$1" "$work/hard-link" && second_attach "$work/hard-link"
}
second_by_node() { second_attach "$work/node"; }
second_behind() { second_attach "$work/behind"; }
second_end() { second detach >/dev/null; }

loop_over() { loop2=$(losetup --show -f "$1"); }
loop_free() { losetup -d "$loop2" && loop2=; }

cat >"$work/map.py" <<'PYTHON'
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
pages = mmap.mmap(fd, 1 << 20)
sum(pages[::4096])
open(sys.argv[1] + '.mapped', 'w')
time.sleep(600)
PYTHON
map_it() {
    in_background python3 "$work/map.py" "$1"
    wait_for test -e "$1.mapped" && rm "$1.mapped"
}

# --- openers that act ---------------------------------------------------------

make_fs() { mkfs.ext4 -F "$1" </dev/null; }
qemu_io_write() { qemu-io -f raw -c 'write 0 64k' "$1"; }
qemu_io_read() { qemu-io -r -f raw -c 'read 0 64k' "$1"; }
img_onto() { qemu-img convert -n -f raw -O raw "$work/zeros" "$1"; }
img_from() { qemu-img convert -U -f raw -O raw "$1" "$work/copy"; }
img_info() { qemu-img info "$1" && qemu-img info -U "$1"; }
dd_over() {
    dd if=/dev/zero of="$1" bs=4096 count=16 conv=notrunc status=none
}

# --- files --------------------------------------------------------------------

file=$work/file
dd if=/dev/zero of="$file" bs=1M count=8 status=none # swap wants no holes
truncate -s 1M "$work/zeros"
vbdd-local "$work/local2" >"$work/local2.log" 2>&1 &
pids+=($!)
wait_for test -S "$work/local2/xenstored"
vbdd --local "$work/local2" --state-dir "$work/state2" \
    --worker "$top_builddir/vbdd-disk" >"$work/vbdd2.log" 2>&1 &
pids+=($!)
wait_for test -S "$work/state2/control"

held="is in use: "
named flock "$file" "${held}locked by [a-z]*, pid [0-9]* (flock)" \
    flock_it flock_end
kept_out flock "$file" "failed to get lock" flock_now
named "a second vbdd" "$file" "${held}locked by vbdd[a-z-]*, pid" \
    second_attach second_end
kept_out "a second vbdd" "$file" "${held}locked by vbdd[a-z-]*, pid" \
    second_attach
named "a second vbdd, hard link" "$file" "${held}locked by vbdd[a-z-]*, pid" \
    second_by_link second_end
kept_out "a second vbdd, hard link" "$file" "${held}locked by vbdd[a-z-]*, pid" \
    second_by_link

if [ -n "$(command -v qemu-nbd)" ]; then
    named qemu-nbd "$file" "${held}locked by qemu-nbd, pid .*QEMU" \
        nbd_write nbd_end
    kept_out qemu-nbd "$file" "Failed to get" nbd_write
    named "qemu-nbd -r" "$file" "${held}.*qemu-nbd, pid" nbd_read nbd_end
    kept_out "qemu-nbd -r" "$file" "Failed to get" nbd_read
    kept_out "qemu-io write" "$file" "Failed to get" qemu_io_write
    kept_out "qemu-img convert, onto" "$file" "Failed to get" img_onto
    kept_out "qemu-img convert -U, from" "$file" "Failed to get" img_from
    let_in "qemu-img info, and info -U" "$file" img_info nothing
    named "qemu-nbd, we read" "$file" "${held}locked by qemu-nbd, pid" \
        nbd_write nbd_end --mode r
    kept_out "qemu-nbd, we read" "$file" "Failed to get" nbd_write --mode r
    let_in "qemu-nbd -r, we read" "$file" nbd_read nbd_end --mode r
    let_in "qemu-io read, we read" "$file" qemu_io_read nothing --mode r
else
    skip "QEMU's tools" qemu-utils
fi
if [ -n "$(command -v qemu-system-x86_64)" ]; then
    named "qemu, IDE disk" "$file" "${held}locked by qemu-system-x86, pid .*QEMU" \
        \
        qemu_ide qemu_end
    kept_out "qemu, IDE disk" "$file" "Failed to get" qemu_ide
else
    skip "QEMU itself" qemu-system-x86
fi
named "mmap" "$file" "page cache that cannot be dropped: .*python3, pid" \
    map_it end_holder
detected mmap "$file" "python3, pid" map_it end_holder
detected "dd, a file" "$file" "page cache *[1-9]" dd_over nothing

# --- as root: block devices ---------------------------------------------------

loop='' loop2='' swapped=''
undo() {
    mountpoint -q "$work/mnt" && umount "$work/mnt"
    [ -z "$swapped" ] || swapoff "$swapped"
    [ -z "$loop2" ] || losetup -d "$loop2"
    [ -z "$loop" ] || losetup -d "$loop"
}
trap 'stop_all; undo; rm -rf "$work"' EXIT
mkdir "$work/mnt"
truncate -s 8M "$work/behind"
[ "$(id -u)" = 0 ] && loop=$(losetup --show -f "$work/behind" 2>/dev/null)
if [ -z "$loop" ]; then
    skip "block devices" "root and losetup"
else
    mknod "$work/node" b "0x$(stat -c %t "$loop")" "0x$(stat -c %T "$loop")"
    mkfs.ext4 -q "$loop"
    named mount "$loop" "${held}mounted on $work/mnt .*; unmount it" \
        mount_it unmount_it
    kept_out mount "$loop" "busy\|already mounted" mount_it
    mount_it "$loop"
    check "mount first: we get it to read" attach --target "$loop" --mode r
    detach
    unmount_it
    detected "mount, we read" "$loop" "mounted on $work/mnt" \
        mount_it unmount_it \
        --mode r
    kept_out mkfs "$loop" "in use" make_fs
    mkswap "$loop" >/dev/null 2>&1
    named swapon "$loop" "${held}swap; swapoff it" swap_on swap_off
    kept_out swapon "$loop" "busy" swap_on
    named "a second vbdd, mknod" "$loop" "${held}locked by vbdd[a-z-]*, pid" \
        second_by_node second_end
    kept_out "a second vbdd, mknod" "$loop" "${held}locked by vbdd[a-z-]*, pid" \
        second_by_node
    kept_out "qemu-nbd, a device" "$loop" "Failed to get" nbd_write
    named "qemu-nbd, a device" "$loop" "${held}.*qemu-nbd, pid" \
        nbd_write nbd_end
    kept_out "a second vbdd, the loop's file" "$loop" "${held}locked by vbdd[a-z-]*, pid" \
        \
        second_behind
    kept_out "qemu-nbd, the loop's file" "$loop" "Failed to get" \
        nbd_behind
    check "a loop device is attached" attach --target "$loop"
    check "the supervisor holds both claims, too" [ 2 = \
        "$(grep -l "^lock:.*OFDLCK" "/proc/$vbdd_pid/fdinfo"/* | wc -l)" ]
    detach
    detected "dd, a device" "$loop" "page cache *[1-9]" dd_over nothing
    named losetup "$file" "${held}behind the loop device /dev/loop" \
        loop_over loop_free
    detected losetup "$file" "/dev/loop" loop_over loop_free
    chmod 600 "$file" && mkswap "$file" >/dev/null 2>&1
    named "swapon, a file" "$file" "${held}swap" swap_on swap_off
    detected "swapon, a file" "$file" "swap" swap_on swap_off
fi

note "opener | it first, then we | we first, then it"
for opener in "${openers[@]}"; do
    note "$opener | ${they_first[$opener]--} | ${we_first[$opener]--}"
done
finish
