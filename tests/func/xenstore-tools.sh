#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: Debian's xenstore-* tools work against vbdd-local (ARCHITECTURE.md),
# so that what is shown in a session without Xen is what one types on Xen.
# Mechanism: run each of them with XENSTORED_PATH and compare what they print.
set -u
top_builddir=${top_builddir:-.}
dir=$(mktemp -d /tmp/vbdd-tools-XXXXXX)
tests=0

stop() {
    [ -n "${server:-}" ] && kill "$server" && wait "$server"
    server=
    rm -rf "$dir"
}
trap stop EXIT

# expect SENTENCE WANTED COMMAND...: standard output and exit code 0
expect() {
    sentence=$1 wanted=$2
    shift 2
    tests=$((tests + 1))
    if got=$("$@") && [ "$got" = "$wanted" ]; then
        echo "ok $tests - $sentence"
    else
        echo "not ok $tests - $sentence"
        echo "# $*: got '$got', want '$wanted'"
    fi
}

# the same for a command that must fail
expect_failure() {
    sentence=$1
    shift
    tests=$((tests + 1))
    if "$@" >"$dir/output" 2>&1; then
        echo "not ok $tests - $sentence"
    else
        echo "ok $tests - $sentence"
    fi
}

for tool in write read list ls chmod watch rm exists; do
    if ! command -v xenstore-$tool >/dev/null; then
        echo "1..0 # SKIP needs xenstore-utils"
        exit 0
    fi
done

mkfifo "$dir/ready"
"$top_builddir/vbdd-local" "$dir/hv" >"$dir/ready" &
server=$!
read -r line <"$dir/ready"
if [ "$line" != ready ]; then
    echo "Bail out! vbdd-local did not start"
    exit 99
fi
export XENSTORED_PATH="$dir/hv/xenstored"

expect "xenstore-write makes nodes" "" \
    xenstore-write /tool/a one /tool/b "two words"
expect "xenstore-read reads them" "one
two words" xenstore-read /tool/a /tool/b
expect "xenstore-list lists them" "a
b" xenstore-list /tool
expect "a relative path is domain 0's" "" xenstore-write mine here
expect "which an absolute one confirms" here \
    xenstore-read /local/domain/0/mine
expect "xenstore-chmod gives a node away" "" \
    xenstore-chmod /tool/a n3 r4
expect "xenstore-ls shows the tree with permissions" \
    '/tool = ""   (n0)
/tool/a = "one"   (n3,r4)
/tool/b = "two words"   (n0)' \
    sh -c 'xenstore-ls -fp | grep ^/tool'
expect "xenstore-chmod -r reaches what is below" \
    '/tool/a = "one"   (b7)
/tool/b = "two words"   (b7)' \
    sh -c 'xenstore-chmod -r /tool b7 && xenstore-ls -fp /tool'
expect_failure "xenstore-read of nothing fails" xenstore-read /tool/none
expect_failure "xenstore-exists of nothing fails" xenstore-exists /tool/none

mkfifo "$dir/events"
xenstore-watch -n 3 /tool >"$dir/events" &
watcher=$!
exec 3<"$dir/events"
read -r first <&3
xenstore-write /tool/a two
read -r second <&3
xenstore-rm /tool/b
read -r third <&3
wait "$watcher"
expect "xenstore-watch sees each change" "/tool /tool/a /tool/b" \
    echo "$first $second $third"

expect "xenstore-rm removes a tree" "" xenstore-rm /tool
expect_failure "of which nothing is left" xenstore-exists /tool/a

kill "$server"
wait "$server"
status=$?
server=
expect "SIGTERM ends the server with status 0" 0 echo "$status"
expect "and takes its sockets away" "" ls -A "$dir/hv"
echo "1..$tests"
