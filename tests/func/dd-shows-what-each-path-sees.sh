#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: vbdd-dd-verify says what the paths to a disk show: SEEN everywhere on
# vbdd and on the file below it, also at sector 2958215; STALE and LOST on a loop
# device beside its own file (the two caches of 2007), and for paths that
# forget or repeat; it overwrites nothing that it was not told to.
# Source: C3, C5, C12; vbdd-dd-verify(1).
# Mechanism: the script itself, on the local platform, on qemu-nbd, on a loop
# device (root), and on paths made of cp, which are broken on purpose.
. "$top_srcdir/tests/func/lib.sh" || exit 99
table=$work/table

# status N ARGUMENT...: what vbdd-dd-verify ends with
status() {
    local wanted=$1 got=0
    shift
    vbdd-dd-verify "$@" >"$table" 2>&1 || got=$?
    cat "$table"
    [ "$got" = "$wanted" ] || { echo "status $got"; return 1; }
}
says() { grep -q -E -- "$1" "$table"; }
says_not() { ! says "$1"; }
show() { sed 's/^/# /' "$table"; }

# --- vbdd ---------------------------------------------------------------------

start_platform || bail "the platform did not start"
disk=$work/disk.img
truncate -s 1500M "$disk"
ctl attach --domid 3 --vdev xvda --target "$disk" >"$table" ||
    bail "no disk: $(cat "$table")"
# nbdsh takes the python3 that comes first, which need not be the system's
nbdsh -c pass >/dev/null 2>&1 || PATH=/usr/bin:$PATH
paths=(ring="vbdfront --local '$local_dir' --domid 3")
if nbdsh -c pass >/dev/null 2>&1; then
    paths+=(ide="nbd $(ctl nbd 3/xvda)")
else
    skip "the door of the emulated path is one of the paths" nbdsh
fi
check "vbdd: ring, IDE's door and file, buffered and direct, all is SEEN" \
    status 0 --destroy "${paths[@]}" --raw "$disk"
show
check "sector 2958215 is among it, by each path" \
    says '^2958215 .*SEEN,SEEN .*SEEN,SEEN .*SEEN,SEEN'
is_stamped() {
    dd if="$disk" bs=512 skip=2958215 count=1 2>"$work/dd.err" |
        grep -q -E "through (ring|ide), sector 2958215"
}
check "and the stamps are on the disk, to be read by a person" is_stamped

# --- a loop device beside its file ---------------------------------------------

file=$work/file.img
truncate -s 1500M "$file"
if loop=$(losetup -f --show "$file" 2>/dev/null); then
    check "a loop device beside its file: something is LOST" \
        status 2 --destroy loop="buffered $loop" file="direct $file" \
        --raw "$file"
    show
    check "what the file got at 2958215 stays STALE through the loop device" \
        says '^2958215 +file +STALE,STALE +SEEN,SEEN'
    check "what the loop device got is STALE in the file until a FLUSH" \
        says '^2958215 +loop +SEEN,SEEN +STALE,SEEN +STALE,SEEN +STALE,SEEN'
    check "of two neighbours in 4096 bytes the file's one is LOST" \
        says '^8-9 +file,loop +STALE,SEEN +LOST,SEEN'
    check "of two neighbours in two times 4096 bytes none is" \
        says '^7-8 +file,loop +STALE,SEEN +SEEN,SEEN'
    check "and it tells which write was there instead" \
        says 'by file, after FLUSH, loop: write [0-9]+, through loop, sector 0'
    check "each path's cache is filled before, and direct is past it" \
        status 1 --destroy --sector 4000 file="direct $file" \
        past="direct $loop" --look loop="buffered $loop"
    check "in reading" \
        says '^4000 +file +SEEN,SEEN +SEEN,SEEN +STALE,STALE'
    check "and in writing" says '^4000 +past +SEEN,SEEN +SEEN,SEEN +SEEN,SEEN'
    losetup -d "$loop"
else
    skip "a loop device beside its file" "root and a free loop device"
fi

# --- NBD ------------------------------------------------------------------------

if nbdsh -c pass >/dev/null 2>&1 && command -v qemu-nbd >/dev/null; then
    truncate -s 8M "$work/nbd.img"
    qemu-nbd --persistent --shared=4 --socket="$work/nbd.sock" --format=raw \
        --cache=none "$work/nbd.img" 2>/dev/null &
    pids+=($!)
    wait_for test -S "$work/nbd.sock"
    check "an NBD server beside the file below it, without a cache" \
        status 0 --destroy nbd="nbd nbd+unix:///?socket=$work/nbd.sock" \
        --raw "$work/nbd.img"
    check "where 2958215 is no sector it says so" \
        says '^2958215 is not on the disk'
else
    skip "an NBD server beside the file below it" "nbdsh and qemu-nbd"
fi

# --- paths that are broken ------------------------------------------------------

small=$work/small.img
# door NAME: a path that is a file; the rest of the line is run before a write
door() {
    cat >"$work/$1" <<'SCRIPT'
#!/bin/sh
f=$1
case $2 in
read) dd if="$f" bs=512 skip="$3" count="$4" ;;
SCRIPT
    cat >>"$work/$1" <<SCRIPT
write) $2 ;;
flush) $3 ;;
esac
SCRIPT
    chmod +x "$work/$1"
}
# shellcheck disable=SC2016 # for the scripts
{
    door good 'dd of="$f" bs=512 seek="$3" conv=notrunc' :
    door forgets 'cat >/dev/null' :
    door halves 'dd of="$f" bs=512 seek="$3" count=1 conv=notrunc' :
    door fails 'exit 5' :
    door flushless 'dd of="$f" bs=512 seek="$3" conv=notrunc' 'exit 5'
}
one() { head -c 8192 /dev/zero >"$small"; status "$@"; }
check "paths without a size are tried" one 0 --destroy --sector 3 \
    a="$work/good $small" b="$work/good $small"
head -c 8192 /dev/zero >"$work/old.img"
check "a path that shows another disk is STALE" one 1 --destroy --sector 3 \
    a="$work/good $small" --look b="$work/good $work/old.img"
check "and what it shows is told" says '3 by a, after FLUSH, b: something else: 00'
check "a path that forgets has LOST it" one 2 --destroy --sector 3 \
    a="$work/forgets $small"
check "so has one that writes half of it" one 2 --destroy --sector 3:2 \
    a="$work/halves $small"
check "and it is the other half that is told" \
    says '^  3-4 by a, after FLUSH, a: something else: 00'
check "a path that cannot be read has failed" one 3 --destroy --sector 3 \
    a="$work/good $small" --look b="$work/good $work/none.img"
check "and is not called STALE" says_not '0 STALE, 0 LOST, 0 failed|1 STALE'
check "a path that does not write ends it" one 3 --destroy --sector 3 \
    a="$work/fails $small"
check "so does a path that does not flush" one 3 --destroy --sector 3 \
    a="$work/flushless $small"
check "both with a sentence" says "^vbdd-dd-verify: a does not do 'flush'"

# --- refusals -------------------------------------------------------------------

head -c 8192 /dev/urandom >"$small"
cp "$small" "$work/before"
refuses "without --destroy it names the sectors, and ends" \
    'overwrites sectors of the disk (0:1 7:2 8:2 2958215:1 15:1)' \
    vbdd-dd-verify a="direct $small"
check "and nothing was written" cmp "$small" "$work/before"
check "with it only the sectors that it names are" \
    status 0 --destroy --sector 3 --sector 5:2 a="buffered $small"
keeps() { cmp -n "$2" -i "$1" "$small" "$work/before"; }
others_are_kept() {
    keeps 0 1536 && keeps 2048 512 && keeps 3584 4608 && ! keeps 1536 512
}
check "the others keep what they have" others_are_kept
refuses "a name that is there twice is refused" "'a' is there twice" \
    vbdd-dd-verify --destroy a="direct $small" a="direct $small"
refuses "so is what is no path" "expected NAME=COMMAND, not 'x'" \
    vbdd-dd-verify --destroy x
refuses "and no path at all" "no path to write through" \
    vbdd-dd-verify --destroy --raw "$small"
refuses "and sectors behind the end" "no sector is left" \
    vbdd-dd-verify --destroy --sector 99 a="buffered $small"
finish
