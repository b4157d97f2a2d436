#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: an emulated disk, or any other NBD client, finds its disk by the URI
# that vbdctl says, whatever is in it; what it writes the ring reads; it is seen
# while it is there, and what has become of it afterwards; the policy after a
# handover is kept; a resize reaches it at its next connection; and who may not
# come in stays out.
# Source: COHERENCY.md, C11 and "Handover"; vbdd(8), "Emulated disks".
# Mechanism: clients nobody here wrote (libnbd's, QEMU's) against a real worker,
# with vbdfront as the guest's other path.
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"

attach() { # DOMID VDEV FILE OPTION...
    local options=() option
    for option in "${@:4}"; do options+=(--option "$option"); done
    truncate -s 4M "$3" || return
    ctl attach --domid "$1" --vdev "$2" --target "$3" "${options[@]}"
}
shows() { ctl show "$1" | grep -Ex -- "$2"; }
sees() { wait_for shows "$@"; }
lists() { ctl list | grep -E -- "$1"; }

# --- one disk, two paths ----------------------------------------------------
check "a disk is attached" attach 5 hda "$work/disk.img"
uri=$(ctl nbd 5/hda)
note "$uri"
check "nothing has happened yet" sees 5/hda 'handovers +0'
check "libnbd finds it" test "$(nbdinfo --size "$uri")" = 4194304
check "who leaves without a flush hands nothing over" sees 5/hda 'handovers +0'
check "QEMU writes through the emulated path" \
    qemu-io -f raw -c 'write -P 0x55 512 512' "$uri"
head -c 512 /dev/zero | tr '\0' 'U' >"$work/data"
reads_back() { front --domid 5 --vdev hda read 1 1 | cmp - "$work/data"; }
check "the ring reads it" reads_back
check "QEMU has flushed and left: a handover" sees 5/hda 'handovers +1'
check "it is known when" sees 5/hda 'handed_over_at +20[0-9T:-]*Z'
check "and logged" grep -q 'disk 1: .*handed over' "$work/vbdd.log"
check "what was asked for is counted" \
    wait_for eval "ctl stats | grep -E '^  emulated +read [0-9]+  write 1  '"

mkfifo "$work/hold"
qemu-io -f raw "$uri" <"$work/hold" >"$work/client.log" 2>&1 &
client=$!
exec 9>"$work/hold"
check "a client is seen by its process" sees 5/hda "[0-9]+ +$client .* serving .*"
check "its name is shown" shows 5/hda "[0-9]+ +$client +qemu-io .*"
check "list has a mark for it" lists "$work/disk.img  1 emulated"
kill -KILL $client
wait $client 2>/dev/null
exec 9>&-
check "one that dies was lost" sees 5/hda 'lost +1'
check "and is no handover" shows 5/hda 'handovers +1'
check "nobody is there any more" sees 5/hda 'emulated_clients +0'

truncate -s 8M "$work/disk.img"
check "the disk grows" ctl resize 5/hda
check "the next connection sees it" test "$(nbdinfo --size "$uri")" = 8388608
check "detach" ctl detach --domid 5 --vdev hda
refuses "nobody answers at its door any more" "No such file" \
    nbdinfo --size "$uri"

# --- after a handover -------------------------------------------------------
check "a disk that is to refuse" \
    attach 6 hda "$work/strict.img" emulated-after-handover=refuse
strict=$(ctl nbd 6/hda)
vbdfront --local "$local_dir" --domid 6 --vdev hda bench --rw randread \
    --time 600 >"$work/bench.out" 2>&1 &
bench=$!
connected() { ctl list | grep -E '^6/hda .* connected'; }
check "its front end is there" wait_for connected
hands_over() { qemu-io -f raw -c 'write -P 1 0 512' "$strict"; }
check "the emulated disk hands over" hands_over
check "that is shown" sees 6/hda 'handed_over +yes'
refuses "a late one is told so" "handed over" \
    qemu-io -f raw -c 'read 0 512' "$strict"
check "and counted" sees 6/hda 'refused +1'
kill -KILL $bench
wait $bench 2>/dev/null
check "when the front end has gone" sees 6/hda 'handed_over +no'
check "everybody is served again" \
    qemu-io -f raw -c 'read 0 512' "$strict"
check "its detach" ctl detach --domid 6 --vdev hda --force

# --- who may come in --------------------------------------------------------
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    as() { # USER COMMAND...
        setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"
    }
    check "a disk with an owner" attach 7 hda "$work/owned.img" \
        nbd-owner=daemon
    check "a disk without" attach 8 hda "$work/root.img"
    check "the owner comes in" as daemon nbdinfo --size "$(ctl nbd 7/hda)"
    refuses "somebody else does not" "Permission denied" \
        as bin nbdinfo --size "$(ctl nbd 7/hda)"
    refuses "nor the owner elsewhere" "Permission denied" \
        as daemon nbdinfo --size "$(ctl nbd 8/hda)"
    check "root comes in" nbdinfo --size "$(ctl nbd 7/hda)"
    check "the owned is detached" ctl detach --domid 7 --vdev hda
    check "the other is detached" ctl detach --domid 8 --vdev hda
else
    skip "the owner comes in, and nobody else" "root and setpriv"
fi
check "a disk without a door" attach 5 hda "$work/disk.img" nbd=no
refuses "says so" "its option nbd is no" ctl nbd 5/hda
check "its end" ctl detach --domid 5 --vdev hda

# --- names ------------------------------------------------------------------
# again DIR: vbdd with another state directory
again() { stop_pid "$vbdd_pid" && state_dir=$1 && start_vbdd; }
again "$work/a,b &c%d"
check "a directory with every character that means something" \
    attach 5 hda "$work/disk.img"
uri=$(ctl nbd 5/hda)
note "$uri"
check "libnbd finds it there" nbdinfo --size "$uri"
qemu=$(command -v qemu-system-x86_64 || command -v qemu-system-i386)
drive() {
    echo quit | "$qemu" -machine none -nodefaults -display none \
        -monitor stdio -drive \
        "if=none,file=$uri,file.reconnect-delay=60,format=raw,cache=writeback"
}
if [ -n "$qemu" ]; then
    check "so does QEMU's -drive, as libxl writes it" drive
else
    skip "so does QEMU's -drive, as libxl writes it" qemu-system-x86_64
fi
check "its detach, too" ctl detach --domid 5 --vdev hda

cd "$work" || bail "$work has gone"
again relative
check "where vbdd was told a relative directory" \
    attach 5 hda "$work/disk.img"
check "clients elsewhere are told an absolute one" \
    test "$(ctl nbd 5/hda)" = "nbd+unix:///?socket=$work/relative/nbd/5-hda"
check "its detach as well" ctl detach --domid 5 --vdev hda

# pad LENGTH: a directory whose name has so many bytes
pad() { printf '%s/%0*d' "$work" $(($1 - ${#work} - 1)) 0; }
again "$(pad 97)"
refuses "a path that is too long is refused with a sentence" \
    "/disks/1/nbd is longer than a unix socket's path may be (107 bytes)" \
    attach 5 hda "$work/disk.img"
again "$(pad 92)"
refuses "so is a name" "/nbd/32750-xvdaaa is longer than" \
    attach 32750 xvdaaa "$work/disk.img"
check "a shorter one is not" attach 5 hda "$work/disk.img"
check "it works" nbdinfo --size "$(ctl nbd 5/hda)"
check "the last detach" ctl detach --domid 5 --vdev hda
finish
