#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: `vbdctl metrics` is Prometheus's text format, to the letter, and says
# what `vbdctl stats` says: no number is missing, none is made up, whatever
# disks are called, whether they serve, have failed or do not answer. Source:
# vbdctl(1); prometheus.io, exposition formats. Mechanism: rings and NBD clients
# do their work and rest; a strict reader compares both answers, and is shown
# metrics with a mistake each.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016,SC2086,SC2119,SC2317
. "${top_srcdir:?}/tests/func/lib.sh"

reader=$top_srcdir/tests/func/check-metrics.pl
perl -MJSON::PP -e 1 2>/dev/null || { echo '1..0 # SKIP needs JSON::PP'; exit 77; }
start_platform || bail 'the platform does not start'

attach() { # VDEV TARGET OPTION...
    local vdev=$1 target=$2 option options=()
    shift 2
    for option; do options+=(--option "$option"); done
    ctl attach --domid 5 --vdev "$vdev" --target "$target" "${options[@]}"
}

# what the reader finds, in $work/found
compare() { # SUBJECT
    ctl metrics $1 >"$work/metrics" && ctl --json stats $1 --histogram \
        >"$work/stats" && perl "$reader" "$work/metrics" "$work/stats" \
        >"$work/found" && sed 10q "$work/found" && [ ! -s "$work/found" ]
}

has() { grep -qF -- "$1" "$work/metrics"; }

# --- what is well -----------------------------------------------------------
check 'without disks' compare ''
check 'there is no sample then' eval '! grep -v "^#" "$work/metrics"'

nasty="$work/a \"quoted\" back\\slash"$'\n'"and a new line"
mkdir "$nasty"
truncate -s 64M "$nasty/disk,5" "$work/plain"
check 'a disk with a hostile name' attach xvda "$nasty/disk,5" buffered=yes
check 'another disk' attach xvdb "$work/plain" buffered=yes queues=2
front --domid 5 --vdev xvda bench --rw write --count 300 --flush-every 10 \
    >"$work/bench.log" 2>&1 || cat "$work/bench.log"
qemu-io -f raw -c 'write 0 64k' -c flush "$(ctl nbd 5/xvdb)" >/dev/null 2>&1
check 'after work' compare ''
check 'it is work' has 'operation="write"} 300'
check 'the name is escaped' has 'a \"quoted\" back\\slash?and a new line/disk,5'
check 'one vbd alone' compare 5/xvdb
check 'the other disk is not in it' eval '! has "disk=\"1\""'
check 'one disk alone' compare 1
sample() { grep -m 1 -- "$1" "$work/metrics"; }

# --- while a front end is connected ------------------------------------------
vbdfront --local "$local_dir" --domid 5 --vdev xvdb --queues 2 \
    bench --time 600 >"$work/long.log" 2>&1 &
pids+=($!)
is_connected() { ctl metrics | grep -q 'vbd_connected{.*vdev="xvdb".* 1$'; }
check 'a front end is served' wait_for is_connected
kill -STOP $!
rests() { [ "$(stat_of in_flight 2)" = 0 ]; }
check 'it is stopped, and all of its requests are answered' wait_for rests
check 'queues have samples of their own' compare ''
note "$(sample 'queue_requests_total.*queue="1"')"
check 'the second queue as well' has 'queue="1"'
kill -CONT $!
stop_pid $!

# --- what is not well -------------------------------------------------------
worker=$(ctl --json show 1 | grep -o '"worker":[0-9]*' | cut -d: -f2)
kill -KILL "$worker"
is_failed() { ctl metrics 1 | grep -q 'state="failed"} 1$'; }
check 'a dead worker is shown as failed' wait_for is_failed
check 'and has no samples but that' compare ''
check 'it has not answered' eval 'sample "disk_answered{disk=\"1\"" | grep " 0$"'
worker=$(ctl --json show 2 | grep -o '"worker":[0-9]*' | cut -d: -f2)
kill -STOP "$worker"
check 'one that hangs has not answered either' eval \
    'ctl metrics 2 >"$work/metrics" && sample disk_answered{ | grep " 0$"'
kill -CONT "$worker"
refuses 'a disk that is not there is refused' 'there is no disk 9' \
    ctl metrics 9
refuses 'as is one word too many' 'at most' ctl metrics 1 2

# --- the reader is strict -----------------------------------------------------
check 'the rest is as it was' compare ''
finds() { # SENTENCE EXPECTED SED-SCRIPT
    sed -E "$3" "$work/metrics" >"$work/wrong"
    perl "$reader" "$work/wrong" "$work/stats" >"$work/found" 2>&1
    check "the reader finds $1" grep -q -- "$2" "$work/found"
}
finds 'a series that comes twice' '^twice: ' '/disk_state.*failed/p'
finds 'a family that comes twice' 'a second time' \
    '$ a# HELP vbdd_vbd_connected x'
finds 'samples before their TYPE' 'not under its own' '/TYPE.*waits/d'
finds 'a quote that ends a label' '^labels: ' 's/\\"quoted/"quoted/'
finds 'edges that do not ascend' 'after 0.000004' 's/le="0.000008"/le="0.000001"/'
finds 'a bucket with fewer than below' 'up to 0.5' \
    's/(requ.*le="0.524288"\}).*/\1 0/'
finds 'a count that no bucket has' ' in buckets' \
    's/(disk_flush_duration_seconds_count.*) [0-9]+/\1 7777/'
finds 'a number that is another' 'and stats says' \
    's/(budget_bytes.*) [0-9]+/\1 1/'
finds 'a number that is missing' ': missing' '/_accepted_total\{/d'
finds 'a counter with the name of a gauge' 'called _total' \
    's/(disk_merges)_total/\1/'
finish
