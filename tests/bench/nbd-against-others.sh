#!/bin/bash
# SPDX-License-Identifier: MIT
# How fast a disk's NBD socket is for fio, beside other servers of the same
# file (lib.sh says which, and how they are compared).
#
#   make bench-nbd
#   OTHERS=qemu-nbd ROUNDS=9 RUNTIME=2s \
#       FIO_LOADS="randread-4k-1 read-1m-4" make bench-nbd    # RW-SIZE-DEPTH
. "$top_srcdir/tests/bench/lib.sh" || exit 99
needs fio-nbd
runtime=${RUNTIME:-800ms}
loads=${FIO_LOADS:-randread-4k-1 randread-4k-32 randwrite-4k-1 randwrite-4k-32
    read-128k-1 read-1m-4 write-128k-1 write-1m-4}

bytes() { numfmt --from=iec "${1^^}"; }
# of fio's terse line: requests a second, and how many
figures() {
    awk -F';' -v bs="$1" \
        'NF > 50 { print $8 + $49, ($6 + $47) * 1024 / bs }'
}
turn() { # SERVER LOAD
    local rw bs depth
    IFS=- read -r rw bs depth <<<"$2"
    fio --name=turn --ioengine=nbd --uri="${uris[$1]}" --rw="$rw" --bs="$bs" \
        --iodepth="$depth" --size="$size" --time_based --runtime="$runtime" \
        --norandommap --randrepeat=0 --output-format=terse --terse-version=3 \
        2>&1 | figures "$(bytes "$bs")"
}

start_servers
note "medians of $rounds rounds of $runtime, CPU of the server for a request"
# shellcheck disable=SC2086
all_rounds turn $loads
