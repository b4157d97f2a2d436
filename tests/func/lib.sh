# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shell tests: TAP, a running local platform, and cleaning up after it.
#
#   . "$top_srcdir/tests/func/lib.sh"
#   start_platform            # vbdd-local and vbdd in $work
#   check "the disk reads back" cmp a b
#   finish                    # the plan; stops what was started
#
# Environment: top_srcdir, top_builddir, VALGRIND (a command in front of vbdd).

PATH=$top_builddir:$PATH
work=$(mktemp -d "${VBDD_TEST_DIR:-/var/tmp}/vbdd-test.XXXXXX")
chmod 711 "$work" # workers drop privileges
local_dir=$work/local state_dir=$work/state
tests=0 failed=0 pids=()

note() { echo "# $*"; }

pass() { tests=$((tests + 1)); echo "ok $tests - $1"; }

fail() {
    tests=$((tests + 1)) failed=$((failed + 1))
    echo "not ok $tests - $1"
}

skip() { tests=$((tests + 1)); echo "ok $tests - $1 # SKIP needs $2"; }

# check SENTENCE COMMAND...: passes when the command succeeds; shows what it
# said when it does not.
check() {
    local sentence=$1
    shift
    if "$@" >"$work/check.out" 2>&1; then
        pass "$sentence"
    else
        fail "$sentence"
        note "failed: $*"
        sed 's/^/#   /' "$work/check.out" | head -n 20
    fi
}

# refuses SENTENCE PATTERN COMMAND...: passes when the command fails and says
# something that matches PATTERN, in one line.
refuses() {
    local sentence=$1 pattern=$2 status=0
    shift 2
    "$@" >"$work/check.out" 2>&1 || status=$?
    if [ $status != 0 ] && grep -q -- "$pattern" "$work/check.out"; then
        pass "$sentence"
    else
        fail "$sentence"
        note "status $status, wanted a failure that says: $pattern"
        sed 's/^/#   /' "$work/check.out" | head -n 20
    fi
}

# wait_for COMMAND...: until it succeeds, 20 s at most.
wait_for() {
    local i
    for ((i = 0; i < 400; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    return 1
}

# politely, and after 20 s not; the daemons' own ends are tested elsewhere
stop_pid() {
    local i
    kill "$1" 2>/dev/null || return 0
    for ((i = 0; i < 400; i++)); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$1" 2>/dev/null && note "pid $1 had to be killed"
    wait "$1" 2>/dev/null
}

start_local() {
    vbdd-local "$local_dir" >"$work/local.log" 2>&1 &
    pids+=($!)
    wait_for test -S "$local_dir/xenstored"
}

# start_vbdd OPTIONS...
start_vbdd() {
    # shellcheck disable=SC2086
    ${VALGRIND:-} vbdd --local "$local_dir" --state-dir "$state_dir" \
        --worker "$top_builddir/vbdd-disk" "$@" >>"$work/vbdd.log" 2>&1 &
    vbdd_pid=$!
    pids+=("$vbdd_pid")
    wait_for ctl ping || wait_for test -S "$state_dir/control"
}

# stat_of KEY DISK|VBD: a number of `vbdctl stats`, of the disk and its rings;
# what its NBD clients have come to is an object of its own
stat_of() {
    ctl --json stats "$2" |
        sed 's/"nbd": *{\([^{}]*{[^{}]*}\)*[^{}]*}//' |
        grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

has_libnbd() {
    ! vbdverify --nbd 'nbd+unix:///?socket=/nowhere' 2>&1 |
        grep -q 'without libnbd'
}

# valgrind and AddressSanitizer map memory of their own and keep what is freed
is_instrumented() {
    [ -n "${VALGRIND:-}" ] || grep -aq __asan_init "$top_builddir/vbdd"
}

# descriptors and mappings of a process
held_by() {
    local maps=-
    is_instrumented || maps=$(wc -l < "/proc/$1/maps")
    echo "fds=$(ls "/proc/$1/fd" | wc -l) maps=$maps"
}

start_platform() { start_local && start_vbdd "$@"; }

ctl() { vbdctl --socket "$state_dir/control" "$@"; }

front() { vbdfront --local "$local_dir" "$@"; }

# the supervisor stops first, so that its workers can detach
stop_all() {
    local i
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do stop_pid "${pids[i]}"; done
    pids=()
}

bail() {
    echo "Bail out! $*"
    sed 's/^/# /' "$work"/*.log
    stop_all
    exit 99
}

finish() {
    stop_all
    if [ $failed != 0 ]; then
        sed 's/^/# vbdd.log: /' "$work/vbdd.log" 2>/dev/null | tail -n 40
    fi
    rm -rf "$work"
    echo "1..$tests"
    exit $((failed > 0))
}
trap 'stop_all; rm -rf "$work"' EXIT
