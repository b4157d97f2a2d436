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
        sed -u 's/\r//g' | tee "$log" | sed -u 's/^/# /'
}

# Now and then the emulation loses a guest: with a triple fault on its second
# processor, also before it has seen a disk, or stopped for good (it does not
# even say any more that it is alive, which takes no disk). That says nothing
# about us: once more then, up to four times.
lost='Triple fault|LAB: the guest is dead'
run_lab_kept() { # COMMAND... -- OPTIONS...: which makes $disk; as run_lab
    local prepare=() try
    while [ "$1" != -- ]; do prepare+=("$1"); shift; done
    shift
    for try in 1 2 3 4 5; do
        "${prepare[@]}"
        run_lab "$@"
        grep -q -E -e "$lost" "$log" || return
        echo "# the emulation has lost the guest (try $try)"
    done
}

# A guest that does what a script in dom0 tells it (dom0-checks.sh).
stampload=$top_builddir/tests/lab/stampload
led=(--copy "$stampload:/bin/stampload" --guest-copy "$stampload:/bin/stampload"
     --guest-copy "$lab/guest-led.sh:/job")
run_lab_led() { # as run_lab_kept; the script forgives what it can do again
    local lost='LAB: the emulation has lost a guest'
    run_lab_kept "${@:1:2}" "${led[@]}" "${@:3}"
}
# rounds N LONG: what /lab/rounds in dom0 says; LONG when LAB_LONG is set
rounds() {
    mkdir -p "$tree/lab"
    echo "${LAB_LONG:+$2 }$1" | cut -d' ' -f1 > "$tree/lab/rounds"
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
# What scripts in dom0 have judged themselves (dom0-checks.sh): COUNT claims, and
# they came to their end.
claims() {
    local line wanted=$((n + $1))
    while read -r line; do
        n=$((n + 1))
        case $line in
        "LAB: ok "*) echo "ok $n - ${line#LAB: ok }";;
        *) failed=1; echo "not ok $n - ${line#LAB: not ok }";;
        esac
    done < <(grep -e '^LAB: ok ' -e '^LAB: not ok ' "$log")
    [ $n = $wanted ] || { failed=1; echo "# $n claims: expected $wanted"; }
    says "the script in dom0 comes to its end" 'LAB: end of checks'
}
finish() {
    echo "1..$n"
    exit $failed
}
