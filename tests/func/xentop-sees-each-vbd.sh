#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: each vbd that is connected has the file that xentop reads from Xen 4.19
# on, with what its guest has done and nothing else; it goes with the ring, at
# the end, and after a kill with the next start; nobody else's directory is used,
# nor anybody's removed, and no disk fails for it. Source: control/xentop.h.
# Mechanism: a reader as libxenstat's (node, directory, 96 bytes), over the
# stand-in, whose folder stands for /dev/shm.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2119,SC2317,SC2016
. "${top_srcdir:?}/tests/func/lib.sh"

start_platform || bail 'the platform does not start'
export XENSTORED_PATH=$local_dir/xenstored
node=/local/domain/0/backend/vbd/5

attach() {
    ctl attach --domid 5 --vdev "$1" --target "$2" --option buffered=yes
}
pid_node() { xenstore-read "$node/$1/kthread-pid" 2>/dev/null; }
file() { echo "$local_dir/td3-$(pid_node "$1")/vbd-5-$1"; }
# FIELD DEVID: one of the numbers, by its place
number() {
    od -A n -t u8 -j $((8 * $1)) -N 8 "$(file "$2")" | tr -d ' '
}
are_same() { echo "'$1' and '$2'"; [ "$1" = "$2" ]; }
connect() { # VDEV: a front end that stays, as long as $hold is open
    mkfifo "$work/hold.$1" 2>/dev/null
    vbdfront --local "$local_dir" --domid 5 --vdev "$1" \
        info --follow <"$work/hold.$1" >"$work/$1.info" 2>&1 &
    exec {hold}>"$work/hold.$1"
}
is_there() { [ -n "$(pid_node "$1")" ] && [ -s "$(file "$1")" ]; }
is_away() { [ -z "$(pid_node "$1")" ]; }

# --- what it says -----------------------------------------------------------
truncate -s 64M "$work/xvda" "$work/xvdb"
attach xvda "$work/xvda"
attach xvdb "$work/xvdb"
check 'who is not connected has none' is_away 51712
vbdfront --local "$local_dir" --domid 5 --vdev xvda bench --rw write --bs 8192 \
    --count 100000000 --time 600 --depth 4 >"$work/bench" 2>&1 &
writer=$!
check 'who is connected has one' wait_for is_there 51712
check 'of vbdd'"'"'s process' are_same "$(pid_node 51712)" "$vbdd_pid"
moves() { [ "$(number 6 51712)" -gt 1000 ]; }
check 'writes are counted while they are made' wait_for moves
kill -STOP $writer
rests() { [ "$(stat_of in_flight 1)" = 0 ]; }
check 'the guest rests' wait_for rests
path=$(file 51712)
check 'it has 96 bytes' are_same 96 "$(stat -c %s "$path")"
check 'is version 1' are_same 1 "$(od -A n -t u4 -N 4 "$path" | tr -d ' ')"
written=$(ctl metrics 1 |
    sed -n 's/^vbdd_disk_requests_total{.*operation="write"} //p')
check 'each write was taken' are_same "$(number 6 51712)" "$written"
check 'and answered' are_same "$(number 7 51712)" "$written"
check 'with 16 sectors each' are_same "$(number 8 51712)" $((written * 16))
check 'which took its time' test "$(number 9 51712)" -gt 0
check 'it has read nothing, and there was no error' are_same 0000000 \
    "$(for field in 1 2 3 4 5 10 11; do number $field 51712; done | tr -d '\n')"
check 'only root can write to it' are_same '644 0' "$(stat -c '%a %u' "$path")"
check 'nor to where it is' are_same '755 0' \
    "$(stat -c '%a %u' "$(dirname "$path")")"
kill -CONT $writer
kill $writer
wait $writer 2>/dev/null
check 'it goes with the ring' wait_for is_away 51712
check 'the file, too' wait_for test ! -e "$path"

# --- another guest's is another file ----------------------------------------
connect xvdb
check 'another vbd, another file' wait_for is_there 51728
check 'which begins at 0' are_same 00 "$(number 2 51728)$(number 6 51728)"

# --- the end ------------------------------------------------------------------
dir=$(dirname "$(file 51728)")
eval "exec $hold>&-"
stop_pid "$vbdd_pid"
check 'an orderly end leaves nothing' test ! -e "$dir"

start_vbdd
attach xvda "$work/xvda" 2>/dev/null # unless it is there from before
connect xvda
check 'connected again' wait_for is_there 51712
dir=$(dirname "$(file 51712)")
kill -KILL "$vbdd_pid"
wait "$vbdd_pid" 2>/dev/null # a zombie has its number still
eval "exec $hold>&-"
check 'a kill leaves it behind' test -d "$dir"
start_vbdd
check 'the next vbdd takes it away' test ! -e "$dir"
check 'and says so in the node' wait_for is_away 51712
stop_pid "$vbdd_pid"

# --- a directory that is there already ----------------------------------------
# vbdd takes its number from its shell, which makes the directory first
start_after() { # COMMAND, in which $$ is vbdd's number
    bash -c "$1; exec vbdd --local '$local_dir' --state-dir '$state_dir' \
        --worker '$top_builddir/vbdd-disk'" >"$work/vbdd.log" 2>&1 &
    vbdd_pid=$!
    pids+=("$vbdd_pid")
    wait_for ctl ping
    attach xvda "$work/xvda" >/dev/null 2>&1
}
hostile() { # WHAT COMMAND
    start_after "$2"
    check "$1: the disk works" front --domid 5 verify --stamp --count 1024
    check "$1: said once" are_same 1 "$(grep -c 'xentop is shown nothing' \
        "$work/vbdd.log")"
    check "$1: there is no node" is_away 51712
    check "$1: nothing was put there" eval '! ls "$work/other" | grep vbd-'
    stop_pid "$vbdd_pid"
    check "$1: it is still there" test -e "$local_dir/td3-$vbdd_pid"
    rm -rf "$local_dir/td3-$vbdd_pid"
}
mkdir "$work/other"
hostile 'a link' "ln -s '$work/other' '$local_dir'/td3-\$\$"
hostile 'a directory that others can write to' \
    "mkdir -m 1777 '$local_dir'/td3-\$\$"
[ "$(id -u)" = 0 ] && hostile "somebody else's directory" \
    "install -d -o nobody '$local_dir'/td3-\$\$"
hostile 'a file' "touch '$local_dir'/td3-\$\$"
start_after "mkdir '$local_dir'/td3-\$\$ && ln -s '$work/other/x' \
    '$local_dir'/td3-\$\$/vbd-5-51712"
connect xvda
check 'what is left in one of ours is replaced' wait_for is_there 51712
check 'and no link is followed' test ! -e "$work/other/x"
eval "exec $hold>&-"
finish
