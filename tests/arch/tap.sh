# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2317
# TAP for the architecture tests. Each check is a function that prints what is
# wrong, one finding a line, and nothing when all is well.
: "${top_srcdir:?}" "${top_builddir:?}" "${CC:=cc}"
tests=0
failed=0
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

comment() {
    sed 's/^/# /'
}

# ok SENTENCE FUNCTION ARGUMENT...: the function finds nothing
ok() {
    sentence=$1
    shift
    tests=$((tests + 1))
    findings=$("$@" 2>&1)
    if [ -z "$findings" ]; then
        echo "ok $tests - $sentence"
    else
        failed=1
        echo "$findings" | comment
        echo "not ok $tests - $sentence"
    fi
}

# finds SENTENCE FINDINGS FUNCTION ARGUMENT...: it finds exactly these, one a
# line; this is how a check shows that it can fail
finds() {
    sentence=$1
    expected=$2
    shift 2
    tests=$((tests + 1))
    findings=$("$@" 2>&1)
    if [ "$findings" = "$expected" ]; then
        echo "ok $tests - $sentence"
    else
        failed=1
        printf 'expected:\n%s\nfound:\n%s\n' "$expected" "$findings" | comment
        echo "not ok $tests - $sentence"
    fi
}

skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP needs $2"
}

# All that is ours with one of these endings: sources ROOT .c .h
sources() {
    root=$1
    shift
    pattern=$(printf '%s|' "$@" | sed 's/\./\\./g; s/|$//')
    (cd "$root" && find common frontend backend tools tests docs -type f \
        2>/dev/null) | grep -E "($pattern)\$" | LC_ALL=C sort |
        grep . || echo "no sources in $root" >&2
}

# a file in the scratch tree, from standard input
bad() {
    mkdir -p "$scratch/bad/$(dirname "$1")"
    cat >"$scratch/bad/$1"
}

done_testing() {
    echo "1..$tests"
    exit $failed
}
