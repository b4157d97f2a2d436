# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of the lab begin and end with.
#
#   . "$top_srcdir/tests/lab/lib.sh"
#   run_lab ...; says SENTENCE PATTERN ...; finish
#
# $disk is an image's name, $log will hold the console, $tree has this build as
# an administrator would install it.
lab=$top_srcdir/tests/lab
missing=$("$lab/lab" missing | xargs)
if [ -n "$missing" ]; then
    echo "1..0 # SKIP needs the packages $missing"
    exit 0
fi
disk=$(mktemp "${VBDD_TEST_DIR:-/var/tmp}/vbdd-lab.XXXXXX")
log=$(mktemp)
tree=$(mktemp -d)
trap 'rm -rf "$disk" "$log" "$tree"' EXIT
make -C "$top_builddir" install prefix=/usr/local sysconfdir=/etc \
    DESTDIR="$tree" >"$log" 2>&1 || { sed 's/^/# /' "$log"; exit 99; }

run_lab() { # as `lab run`
    "$lab/lab" run --disk "$disk" --tree "$tree" "$@" 2>&1 |
        tr -d '\r' | tee "$log" | sed 's/^/# /'
}

n=0 failed=0
says() { # SENTENCE PATTERN: on the console
    n=$((n + 1))
    if grep -q -E -e "$2" "$log"; then
        echo "ok $n - $1"
    else
        failed=1
        echo "not ok $n - $1"
    fi
}
finish() {
    echo "1..$n"
    exit $failed
}
