#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: hostile bytes break nothing. Mechanism: libFuzzer, AddressSanitizer
# and UndefinedBehaviorSanitizer on each harness for FUZZ_SECONDS (60), as many
# at a time as there are processors, beginning with the corpus of the tree.
# What is found stays in the build's tests/fuzz/found/NAME: crash-* breaks
# something (tests/fuzz/replay-NAME FILE runs it), the rest reached code that
# the corpus did not. `make update-corpora` takes that over.
: "${top_srcdir:?}" "${top_builddir:?}" "${FUZZ_NAMES:?}" "${FUZZ_SECONDS:=60}"
found=$top_builddir/tests/fuzz/found

fuzz() { # NAME
    dictionary=$top_srcdir/tests/fuzz/$1.dict
    [ -e "$dictionary" ] || dictionary=
    mkdir -p "$found/$1"
    "$top_builddir/tests/fuzz/fuzz-$1" -max_total_time="$FUZZ_SECONDS" \
        -max_len=2048 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$found/$1/" \
        ${dictionary:+"-dict=$dictionary"} "$found/$1" "$top_srcdir/tests/fuzz/corpus/$1" \
        >"$found/$1.log" 2>&1
    echo $? >"$found/$1.status"
}

# The last number that libFuzzer has printed after WORD.
figure() { # NAME WORD
    sed -n "s/.*$2 *\([0-9]*\).*/\1/p" "$found/$1.log" | tail -n 1
}

mkdir -p "$found"
running=0
for name in $FUZZ_NAMES; do
    fuzz "$name" &
    running=$((running + 1))
    if [ "$running" -ge "$(nproc)" ]; then
        wait
        running=0
    fi
done
wait

tests=0
failed=0
for name in $FUZZ_NAMES; do
    tests=$((tests + 1))
    executed=$(figure "$name" number_of_executed_units:)
    if [ "$(cat "$found/$name.status")" = 0 ] && [ "${executed:-0}" -gt 0 ]
    then
        echo "# $name: $executed executions in $FUZZ_SECONDS s," \
            "$(figure "$name" cov:) edges, $(figure "$name" ft:) features"
        echo "ok $tests - $name: no bytes break it"
    else
        failed=1
        tail -n 40 "$found/$name.log" | sed 's/^/# /'
        echo "not ok $tests - $name: no bytes break it"
    fi
done
echo "1..$tests"
exit $failed
