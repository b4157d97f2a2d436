#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: logreplay cuts at every FLUSH of a log of dm-log-writes, with exactly
# what that covers there, and once more with any part of what was written then,
# in blocks of 4 KiB, FUA writes always; it counts what its command objects to;
# of a log that is none, or is cut off or spoilt anywhere, it says why, and
# replays nothing of it.
# Source: the kernel's admin-guide/device-mapper/log-writes.rst.
# Mechanism: logs made by a script (make-log.pl); a command that keeps each cut.
. "$top_srcdir/tests/func/lib.sh" || exit 99
logreplay=$top_builddir/tests/crash/logreplay
log=$work/log copy=$work/copy cuts=$work/cuts
make_log() { perl "$top_srcdir/tests/crash/make-log.pl" "$log" "$@"; }

# What is there, a letter for a block of 4 KiB, a dot for zeros: "ab.". A block
# that is not of one letter has brackets.
cat >"$work/show" <<'END'
#!/usr/bin/perl
open my $copy, '<:raw', $ARGV[0] or die;
$/ = \4096;
while (<$copy>) {
    tr/a-z\0/a-z./s;
    print length == 1 ? $_ : "($_)";
}
print " $ARGV[1]\n";
END
cat >"$work/object" <<'END'
#!/bin/sh
# WORDS STATUS COPY CUT
case $4 in *"$1"*) exit "$2";; esac
END
chmod 755 "$work/show" "$work/object"

new_copy() { rm -f "$copy"; truncate -s 12K "$copy"; }
replay() { # SEED COMMAND...: what it says is in $cuts
    new_copy
    VBDD_TEST_SEED=$1 "$logreplay" "$log" "$copy" "${@:2}" >"$cuts" 2>&1
}
is_cut() { grep -x -E -- "$1" "$cuts"; }
ends_with() { # STATUS COMMAND...: what it says is in $work/said
    "${@:2}" >"$work/said" 2>&1
    test $? = "$1"
}

# --- what is there at a cut ---------------------------------------------------

make_log 512 w:0:8:a w:8:8:b f m:mark w:0:8:c w:8:4:d f w:16:8:e
check "a log is replayed" replay 1 "$work/show"
sed 's/^/# /' "$cuts"
check "two cuts to each flush, and one at the end" \
    is_cut 'LOGREPLAY: 2 flushes, 5 cuts, 0 violations, seed 1'
check "at a flush all that it covers is there, and nothing else" \
    is_cut 'ab\. after flush 1'
check "the last write of each sector" is_cut 'c\(db\)\. after flush 2'
check "at the end there is what nobody has flushed, too" \
    test "$("$work/show" "$copy" end)" = "c(db)e end"

# all_of PATTERN...: each of them is the second cut at some seed, no other is
all_of() {
    local seed pattern
    for seed in $(seq 40); do
        replay "$seed" "$work/show"
        is_cut '.* after flush 1, with .*' | cut -d' ' -f1
    done >"$work/seen"
    for pattern; do grep -q -x -E "$pattern" "$work/seen" || return 1; done
    ! grep -v -x -E "$(IFS='|'; echo "$*")" "$work/seen"
}
check "of what was not flushed any part may be there" \
    all_of 'ab\.' 'cb\.' 'a\(db\)\.' 'c\(db\)\.'
replay 7 "$work/show" && cp "$cuts" "$work/first"
replay 7 "$work/show"
check "the same part for the same seed" cmp "$cuts" "$work/first"
make_log 512 w:0:8:a f w:0:8:b u:8:8:f w:16:8:c f
check "a FUA write is always there" all_of 'af\.' 'bf\.' 'afc' 'bfc'
make_log 512 w:0:24:a f w:0:24:b f
check "a write may be torn between blocks, not in them" \
    all_of 'aab' 'bab' '[ab]{3}'
make_log 512 w:0:24:a f d:8:8 f
check "what was discarded is zeros, or as it was" all_of 'aaa' 'a\.a'
check "at the flush it is zeros" is_cut 'a\.a after flush 2'
make_log 4096 w:1:1:a f w:2:1:b f
check "sectors of 4096 bytes" replay 1 "$work/show"
check "are counted as such" is_cut '\.a\. after flush 1'
make_log 512 m:one f f m:two
check "flushes of nothing" replay 1 "$work/show"
check "are one cut each, and marks none" \
    is_cut 'LOGREPLAY: 2 flushes, 2 cuts, 0 .*'
make_log 512
check "an empty log" replay 1 "$work/show"
check "has no cuts" is_cut 'LOGREPLAY: 0 flushes, 0 cuts, 0 .*'

# QEMU writes such logs, too; another one's look at the format.
qemu_log() {
    truncate -s 12K "$work/disk"
    rm -f "$log"
    truncate -s 1M "$log"
    qemu-io -c 'write -P 97 0 8k' -c flush -c 'write -P 98 4k 4k' \
        -c 'write -f -P 99 8k 4k' -c flush "json:{\"driver\": \"blklogwrites\",
        \"file\": {\"driver\": \"file\", \"filename\": \"$work/disk\"},
        \"log\": {\"driver\": \"file\", \"filename\": \"$log\"}}"
}
if command -v qemu-io >/dev/null; then
    check "QEMU logs its writes" qemu_log
    check "its log is replayed" replay 1 "$work/show"
    check "the first flush is understood" is_cut 'aa\. after flush 1'
    check "so is what it wrote with FUA" is_cut 'a[ab]c after flush 1, with .*'
    check "and the second flush" is_cut 'abc after flush 2'
else
    skip "QEMU's logs are replayed" "qemu-utils"
fi

# --- the command --------------------------------------------------------------

make_log 512 w:0:8:a f w:0:8:b f w:0:8:c f
check "what the command objects to is a violation" \
    ends_with 1 replay 1 "$work/object" "flush 2" 1
check "each is told" is_cut 'LOGREPLAY: violation after flush 2'
check "and counted" is_cut 'LOGREPLAY: 3 flushes, 6 cuts, 2 violations, .*'
check "a command that cannot judge ends it" \
    ends_with 2 replay 1 "$work/object" "flush 2" 3
check "so does one that is not there" ends_with 2 replay 1 /nowhere/judge
check "and one that is killed" ends_with 2 replay 1 sh -c 'kill -9 $$'
check "which is said" is_cut 'logreplay: sh could not judge the cut .*'

# --- what is no log -----------------------------------------------------------

# refused SENTENCE: and the copy is as it was
refused() {
    new_copy
    ends_with 2 "$logreplay" "$log" "$copy" true &&
        grep -x -E "logreplay: $log$1" "$work/said" &&
        cmp -n 12288 "$copy" /dev/zero
}
put() { # OFFSET BYTES
    printf '%b' "$2" | dd of="$log" bs=1 seek="$1" conv=notrunc status=none
}
good() { make_log 512 w:0:8:a f d:8:8 m:text w:16:8:b f w:0:8:c; }
good
size=$(stat -c %s "$log")
truncated() {
    local at
    for at in 0 1 31 $(seq 511 512 $((size - 1))) $((size - 1)); do
        good
        truncate -s "$at" "$log"
        refused '( is too short for|: entry [1-7] of 7 (begins|goes)) .*' ||
            { echo "cut off at $at"; return 1; }
    done
}
check "a log that is cut off, anywhere" truncated
make_log 4096 f
truncate -s 600 "$log"
check "in its first sector" refused ': entry 1 of 1 begins beyond .*'
spoilt() { # SENTENCE OFFSET BYTES
    good
    put "$2" "$3"
    refused "$1"
}
ones='\xff\xff\xff\xff\xff\xff\xff\xff'
check "another magic" spoilt ' is no log .*' 0 x
check "another version" spoilt ' is no log .*' 8 '\0002'
check "more entries than there are" \
    spoilt ': entry 8 of 8 begins beyond .*' 16 '\0010'
check "sectors of an odd size" spoilt ': sectors of 513 bytes .*' 24 '\0001'
check "sectors of no size" spoilt ': sectors of 0 bytes .*' 25 '\0000'
check "sectors that are too large" \
    spoilt ': sectors of 66048 bytes .*' 26 '\0001'
beyond=': entry 1 of 7 goes beyond the disk.s end'
check "a write beyond the end" spoilt "$beyond" 512 '\0021'
check "at a place that wraps around" spoilt "$beyond" 512 "$ones"
check "of a length that does" spoilt "$beyond" 520 "$ones"
check "unknown flags" spoilt ': entry 1 of 7 has flags .*' 528 '\0040'
check "a text that is too long" \
    spoilt ': entry 1 of 7 has a text that is too long' 536 "$ones"

# noise N: never a crash, and never silence
any_byte() { printf '\\x%02x' $((RANDOM % 256)); }
noise() {
    local i
    for i in $(seq "$1"); do
        good
        put $((RANDOM % size)) "$(any_byte)"
        put $((512 + RANDOM % 32)) "$(any_byte)"
        new_copy
        if ends_with 0 "$logreplay" "$log" "$copy" true; then
            grep -q '^LOGREPLAY' "$work/said" || return
        elif ends_with 2 "$logreplay" "$log" "$copy" true; then
            grep -q '^logreplay: ' "$work/said" || return
        else
            return 1
        fi
    done
}
RANDOM=${VBDD_TEST_SEED:-$RANDOM}
check "noise" noise $((200 / ${VBDD_TEST_SCALE:-1}))
rm "$log"
check "no log" refused ': No such file.*'
check "no copy" ends_with 2 "$logreplay" /dev/null /nowhere/copy true
check "too few words" ends_with 2 "$logreplay" "$log" "$copy"
finish
