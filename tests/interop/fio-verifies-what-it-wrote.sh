#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: what fio has written through NBD, in several jobs, at depth, at odd
# offsets and with trims between, it reads again with the right checksums: at
# once, later on a read-only disk, and through a target with sectors of 4096
# bytes or a ring of such; the ring reads the same.
# Source: C3, C9, C13.
# Mechanism: fio's nbd engine with verify=crc32c.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs fio-nbd
start_platform || bail "the platform did not start"

# fio_on NAME OPTION... <<JOBS: the jobs on the disk
fio_on() {
    { printf '%s\n' '[global]' ioengine=nbd "uri=$uri" verify=crc32c \
        verify_fatal=1 "${@:2}"; cat; } >"$work/$1.fio"
    (cd "$work" && fio --output-format=json "$1.fio") >"$work/$1.json" 2>&1 ||
        { cat "$work/$1.json"; return 1; }
    echo "$1: $(grep -c '"jobname"' "$work/$1.json") jobs"
}
# total KEY FILE.json: of all its jobs' reads and writes
total() {
    grep -o "\"$1\" : [0-9]*" "$work/$2.json" |
        awk '{ n += $3 } END { print n + 0 }'
}
did_io() { # NAME N: at least
    local requests
    requests=$(total total_ios "$1")
    echo "$requests requests"
    [ "$requests" -ge "$2" ]
}
mixed() { # three jobs that share no block
    cat <<'END'
[small]
rw=randrw
bs=4k
iodepth=32
size=8m
[middle]
offset=16m
rw=randrw
bsrange=4k-256k
iodepth=16
size=16m
[sequential]
offset=32m
rw=rw
bs=64k
iodepth=4
size=16m
END
}
odd() {
    cat <<'END'
[odd]
offset=48m
rw=randwrite
bs=512-12k
bs_unaligned=1
iodepth=32
size=8m
[odd-neighbour]
offset=59000001
rw=randwrite
bs=1001
bs_unaligned=1
iodepth=8
size=1001000
END
}
same_below() { ring copy out "$work/seen" && is_stored "$work/seen"; }
verified() { # WHAT
    check "$1: three jobs at depth" fio_on jobs <<<"$(mixed)"
    check "$1: they have done their work" did_io jobs 3500
    check "$1: odd offsets and lengths" fio_on odd <<<"$(odd)"
    check "$1: the ring and the target see one disk" same_below
}

truncate -s 64M "$work/disk.img"
disk 1 "$work/disk.img"
verified "a file"
check "four clients on one range each" fio_on four \
    numjobs=4 offset_increment=4m size=4m rw=randwrite bs=4k iodepth=16 \
    <<<'[client]'
check "trims between writes" fio_on trims verify=0 rw=randtrim bs=64k size=8m \
    offset=40m iodepth=16 <<<'[trim]'
check "writes with a flush after each fourth" fio_on synced rw=randwrite \
    bs=4k size=2m fsync=4 iodepth=8 <<<'[synced]'
check "the disk is still one" same_below
job=(bs=4k size=8m offset=8m iodepth=32 verify_state_save=0)
check "a range is written" fio_on later rw=randwrite "${job[@]}" <<<'[later]'
ring read 20003 1 >"$work/sector" && random "$work/wrong" 512
check "one sector of it is changed through the ring" \
    eval 'ring write 20003 <"$work/wrong"'
refuses "fio finds that" "verify failed" \
    fio_on later-wrong rw=randread "${job[@]}" <<<'[later]'
check "the sector is put back" eval 'ring write 20003 <"$work/sector"'
check "detach" detach
disk 2 "$work/disk.img" --mode r
check "it is what it was when the disk is read-only" \
    fio_on later-read rw=randread "${job[@]}" <<<'[later]'
refuses "a write to that fails" "ead.only\|not permitted" \
    fio_on read-only rw=write bs=4k size=8k <<<'[write]'
check "and has changed nothing" same_below
check "the read-only one is detached" detach

disk 3 "$work/disk.img" --option sector-size=4096
verified "a ring with sectors of 4096 bytes"
check "its detach" detach

if loop=$(losetup -f --show -b 4096 "$work/disk.img" 2>"$work/losetup.out"); then
    disk 4 "$loop"
    check "the target has sectors of 4096 bytes" \
        test "$(blockdev --getss "$loop")" = 4096
    verified "a target with sectors of 4096 bytes"
    check "it is detached" detach
    losetup -d "$loop"
else
    skip "a target with sectors of 4096 bytes" "a loop device"
fi
finish
