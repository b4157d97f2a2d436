#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the port to a Linux guest's user space passes the conformance run
# against vbdd, in each layout that vbdd offers; and against one that offers
# little, what is not offered is skipped by name and the rest passes.
# Source: docs/TESTING.md, "The conformance table".
# Mechanism: the program that the lab runs in a guest of Xen's, where the
# stand-in does what Linux and Xen's libraries would (guest-devices.c).
. "$top_srcdir/tests/func/lib.sh" || exit 99
start_platform || bail "the platform did not start"

attach() { # DOMID VDEV OPTION...
    local domid=$1 vdev=$2 options=()
    shift 2
    for option; do options+=(--option "$option"); done
    ctl attach --domid "$domid" --vdev "$vdev" --target "$work/disk.$domid" \
        "${options[@]}"
}
# run DOMID OPTION...: with a disk of these options; $passes, and all that was
# said in $work/run
run() {
    local domid=$1 status=0
    shift
    truncate -s 4M "$work/disk.$domid"
    attach "$domid" xvda "$@"
    attach "$domid" xvdb
    VBDD_TEST_SCALE=1 VBDD_LOCAL_DIR=$local_dir VBDD_LOCAL_DOMID=$domid \
        "$top_builddir/tests/conformance/conformance-in-process" xvda xvdb \
        >"$work/run" 2>&1 || status=$?
    sed 's/^/# /' "$work/run"
    passes=$([ $status = 0 ] && grep '^1\.\.' "$work/run")
}
is_skipped() { grep "SKIP needs $1" "$work/run"; }
skips() { [ "$(grep -c SKIP "$work/run")" = "$1" ]; }

run 1 queues=4 ring-page-order=4 indirect-segments=256 grants=persistent
check "everything is offered, and all of it passes" [ -n "$passes" ]
check "nothing but secure discards is skipped" \
    eval 'is_skipped "a back end that offers it" && skips 1'
check "the kernel's limit is reached on the way, and said once" \
    [ "$(grep -c 'xen_gntalloc/parameters/limit' "$work/run")" = 1 ]
run 2 queues=1 ring-page-order=0 indirect-segments=0
check "little is offered, and that passes" [ -n "$passes" ]
for what in "4 queues: the back end offers 1" \
    "rings of order 4: the back end offers 0" \
    "256 indirect segments: the back end offers 0" \
    "grants that stay: the back end does not offer them"; do
    check "what is not offered is named: ${what%%:*}" is_skipped "$what"
done
finish
