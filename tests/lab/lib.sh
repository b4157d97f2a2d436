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
export top_builddir # the Debian image is kept there
trap 'rm -rf "$disk" "$log" "$tree"' EXIT
make -C "$top_builddir" install prefix=/usr/local sysconfdir=/etc \
    DESTDIR="$tree" >"$log" 2>&1 || { sed 's/^/# /' "$log"; exit 99; }

run_lab() { # as `lab run`
    "$lab/lab" run --disk "$disk" --tree "$tree" "$@" 2>&1 |
        tr -d '\r' | tee "$log" | sed 's/^/# /'
}

# Now and then the emulation loses a guest: with a triple fault on its second
# processor, also before it has seen a disk, or stopped for good (it does not
# even say any more that it is alive, which takes no disk). That says nothing
# about us: once more then, up to four times.
run_lab_kept() { # COMMAND... -- OPTIONS...: which makes $disk; as run_lab
    local prepare=() try
    while [ "$1" != -- ]; do prepare+=("$1"); shift; done
    shift
    for try in 1 2 3 4 5; do
        "${prepare[@]}"
        run_lab "$@"
        grep -q -e 'Triple fault' -e 'LAB: the guest is dead' "$log" || return
        echo "# the emulation has lost the guest (try $try)"
    done
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
