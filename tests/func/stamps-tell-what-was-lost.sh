#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: stampload, by which the lab judges, finds every write that was lost,
# rolled back, torn, put elsewhere or left by an earlier run, afterwards and
# while it writes; and nothing where all is well.
# Source: C2, C3.
# Mechanism: a file is written to, and then spoilt in each of these ways.
. "$top_srcdir/tests/func/lib.sh"
stampload=$top_builddir/tests/lab/stampload
target=$work/target said=$work/said
truncate -s 1M "$target"

write() { # RUN: until every block has been written twice
    "$stampload" write "$target" "$1" 2 >"$said" 2>&1 &
    writer=$!
    wait_for has_written 300
}
has_written() { # WRITES
    local first
    first=$(sed -n 's/.* 0=\([0-9]*\) .*/\1/p' "$said" | tail -n 1)
    [ "${first:-0}" -ge "$1" ]
}
end() { kill $writer 2>/dev/null; wait $writer; }
acknowledged() { sed -n 's/.* ended: //p' "$said"; }
# spoil SENTENCE PATTERN COMMAND...: what it does to the target is seen
spoil() {
    local sentence=$1 pattern=$2
    shift 2
    cp "$target" "$work/kept"
    "$@"
    refuses "$sentence" "$pattern" \
        "$stampload" check "$target" 2 ${known:-$(acknowledged)}
    cp "$work/kept" "$target"
}
put() { # FROM SKIP SEEK: one sector of FROM
    dd if="$1" of="$target" bs=512 count=1 skip="$2" seek="$3" conv=notrunc
} 2>/dev/null

write 1
check "two writers write" end
cp "$target" "$work/run1"
write 2
cp "$target" "$work/older" # from the middle of the run
sleep 0.5
check "a second run of them, too" end
check "all that was acknowledged is there" \
    "$stampload" check "$target" 2 $(acknowledged)
spoil "zeros are seen" "has zeros" put /dev/zero 0 8
spoil "noise is seen" "has something else" put /dev/urandom 0 8
spoil "an older write is seen" "a good stamp (run 2, writer 0" \
    put "$work/older" 8 8
# though its stamps have higher numbers than those that are known
known="0=63 1=63" spoil "an earlier run is seen" "(run 1, writer 1" put "$work/run1" 800 800
spoil "a sector at another's place is seen" "sector 1 has a good stamp" \
    put "$target" 8 9
spoil "a torn sector is seen" "a torn sector" \
    dd if="$work/older" of="$target" bs=32 seek=130 skip=130 count=3 \
    conv=notrunc status=none
refuses "what was acknowledged and is not there is seen" "expected write" \
    "$stampload" check "$target" 2 0=9999999
write 3
for i in $(seq 200); do
    kill -0 $writer || break
    cp "$work/run1" "$target"
    sleep 0.02
done 2>/dev/null
end
check "a writer sees what becomes of its blocks" grep -q "run 3 failed" "$said"
finish
