#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: each subcommand of vbdfront does what vbdfront(1) says, leaves the
# disk as it was when it refuses, and tells by its exit status which it was.
# Mechanism: the program itself, each time a new life of the domain, against a
# memory disk behind the local stand-in.
# shellcheck disable=SC2317
: "${top_builddir:?}" "${top_srcdir:?}"
scratch=$(mktemp -d /tmp/vbdfront-test-XXXXXX) || exit 99
mkfifo "$scratch/life"
"$top_builddir/vbdd-local" "$scratch" >"$scratch/says" 2>&1 &
hypervisor=$!
server=
# The server ends with its standard input.
end() {
    exec 9>&-
    [ -z "$server" ] || wait "$server"
    kill "$hypervisor"
    wait "$hypervisor"
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 99' INT TERM

wait_for() { # WORDS FILE
    for _ in $(seq 500); do
        grep -q "$1" "$2" && return
        sleep 0.02
    done
    echo "Bail out! no $1 in $2"
    exit 99
}

wait_for ready "$scratch/says"
"$top_builddir/tests/unit/frontend-serve" "$scratch" 1 51712 16384 \
    feature-discard=1 discard-granularity=4096 \
    <"$scratch/life" >"$scratch/served" 2>&1 &
server=$!
exec 9>"$scratch/life"
wait_for ready "$scratch/served"

nr=0
failed=0
# ok SENTENCE COMMAND...: it succeeds
ok() {
    sentence=$1
    shift
    nr=$((nr + 1))
    if "$@" >"$scratch/out" 2>&1; then
        echo "ok $nr - $sentence"
    else
        failed=1
        sed 's/^/# /' "$scratch/out"
        echo "not ok $nr - $sentence"
    fi
}

front() {
    "$top_builddir/vbdfront" --local "$scratch" "$@"
}

# refused STATUS WORDS COMMAND...: this status, and the error has these words
refused() {
    wanted=$1
    words=$2
    shift 2
    front "$@" >"$scratch/refusal" 2>&1
    status=$?
    cat "$scratch/refusal"
    [ "$status" -eq "$wanted" ] && grep -q -- "$words" "$scratch/refusal"
}

head -c 65536 /dev/urandom >"$scratch/data"
cd "$scratch" || exit 99

read_back() { # SECTOR FILE
    front read "$1" $(($(wc -c <"$2") / 512)) | cmp - "$2"
}

info_says() {
    front info >said && front --json info >json &&
        grep -q '^size *16384 sectors' said &&
        grep -q '"sectors": 16384' json &&
        grep -q '^queues *1$' said &&
        grep -q '^ring *32 requests, 4 KiB' said &&
        grep -q '"queues": 1' json && grep -q '"ring_pages": 1' json &&
        grep -q '^data *granted for each request' said &&
        grep -q '^discard *pieces of 4096 bytes from byte 0 on, secure no' \
            said && grep -q '"discard_granularity": 4096' json
}
ok "info says what the disk is" info_says

write_reads_back() {
    front write 8 "$@" <data && read_back 8 data
}
ok "what is written is read" write_reads_back
ok "what is written with FUA is read" write_reads_back --fua
ok "a flush is done" front flush
ok "an empty barrier is done" front barrier

discards() {
    front write 8 <data && head -c 8192 data >kept &&
        dd if=/dev/zero bs=8192 count=1 2>/dev/null >>kept &&
        front discard 24 16 && read_back 8 kept &&
        refused 1 'a discard at sector 24 failed: Operation not supported' \
            discard 24 16 --secure
}
ok "a discard takes its sectors and no more" discards

untrusted_reads_back() {
    front --untrusted write 77 <data &&
        front --untrusted read 77 128 | cmp - data &&
        front --untrusted info |
        grep -q '^data *copied, the back end is not trusted'
}
ok "an untrusted back end serves as well" untrusted_reads_back

other_layouts() {
    for abi in x86_64 native; do
        front --abi $abi --persistent write 7 <data && read_back 7 data ||
            return
    done
}
ok "a layout that is this machine's can be named" other_layouts

barrier_reads_back() {
    front barrier 4000 <data && read_back 4000 data
}
ok "a barrier carries its data" barrier_reads_back

a_pipe() { # shellcheck disable=SC2002
    cat data | front write 5000 && read_back 5000 data
}
ok "a pipe can be written" a_pipe

copies() {
    front copy out image && [ "$(wc -c <image)" -eq 8388608 ] &&
        front verify image && head -c 4194304 image >half &&
        front write 0 <data && front copy in half && front verify image &&
        front copy in - <image && front copy out - | cmp - image
}
ok "the disk is copied out and in again" copies

verify_finds() {
    cp image other && printf 'x' | dd of=other bs=1 seek=1000003 \
        conv=notrunc 2>/dev/null &&
        refused 1 'sector 1953 differs, first in byte 67' verify other &&
        grep -q '16384 sectors verified, 1 bad' refusal
}
ok "verify finds the one byte that differs" verify_finds

stamps() {
    front verify --stamp --from 100 --count 3000 --seed 5 &&
        front --json verify --stamp | grep -q '"bad": 0'
}
ok "stamps are written and found" stamps

benches() {
    for pattern in read write randread randwrite mixed; do
        front bench --rw "$pattern" --count 500 --bs 8K --depth 8 \
            --flush-every 100 >rate && grep -q ' 500 requests in ' rate &&
            grep -q 'p99.9' rate || return
    done
    grep -q '^flushes' rate && front --json bench --count 10 | grep -q '"iops"'
}
ok "bench measures each pattern" benches

unharmed() {
    front copy in image && "$@" && front verify image
}
ok "too long a file is refused as a whole" \
    unharmed refused 1 'the disk has 16384' write 16300 <data
head -c 1000 image >odd
ok "half a sector is refused as a whole" \
    unharmed refused 1 'multiple of 512' write 0 <odd
ok "a read past the end is refused" refused 1 'the disk has 16384' \
    read 16384 1
ok "a disk that is not there is told so" \
    refused 1 'no disk xvdb of domain 1' --vdev xvdb --timeout 0 info
ok "a file that is not there is told so" refused 1 'cannot be opened' \
    verify /nowhere/image

# without --local: a guest of Xen's cannot choose who it is
no_domain() {
    "$top_builddir/vbdfront" --domid 3 info 2>"$scratch/refusal"
    [ $? -eq 2 ] && grep 'domid is for --local' "$scratch/refusal"
}
no_guest() {
    [ ! -e /dev/xen/xenbus ] || return 0
    "$top_builddir/vbdfront" info 2>"$scratch/refusal"
    [ $? -eq 2 ] && grep "no guest of Xen's" "$scratch/refusal"
}

usage() {
    refused 2 'no command' && refused 2 'dance is not a command' dance &&
        refused 2 'expected SECTOR COUNT' read 1 &&
        refused 2 'COUNT is "x"' read 1 x &&
        refused 2 'expected in or out' copy over image &&
        refused 2 'not an option here' flush --hard &&
        refused 2 'expected xvda' --vdev xvd info &&
        refused 2 'expected native' --abi z80 info &&
        refused 2 'from 1 to 4' --queues 5 info &&
        refused 2 'expected SECTOR COUNT' discard 1 &&
        refused 2 'from 1 to 32751' --domid 0 info
}
ok "what is not understood is told so" usage
ok "a guest of Xen's cannot choose its domid" no_domain
ok "a machine that is no guest of Xen's needs --local" no_guest

every_option_is_in_the_help() {
    "$top_builddir/vbdfront" --help >help || return
    grep -ho '{ "--[a-z-]*"' "$top_srcdir"/tools/vbdfront/*.c |
        sed 's/.*"\(.*\)"/\1/' | while read -r option; do
        if ! grep -q -- "^ *$option\\b" help ||
            ! grep -q -- "B<$option>" "$top_srcdir/docs/vbdfront.pod"; then
            echo "$option"
            exit 1
        fi
    done
}
ok "--help and vbdfront(1) have every option" every_option_is_in_the_help

echo "1..$nr"
exit $failed
