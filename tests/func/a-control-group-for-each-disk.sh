#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: where systemd delegates a control group to vbdd each worker runs in one
# of its own, which vbdctl shows and which ends with it; elsewhere nothing is
# different, and one line says so. Source: vbdd(8), "Control groups".
# Mechanism: a real cgroup v2, marked as systemd marks what it delegates.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2119,SC2317
. "${top_srcdir:?}/tests/func/lib.sh"

set -- /sys/fs/cgroup /sys/fs/cgroup/unified
for mount; do [ "$(stat -f -c %T "$mount" 2>/dev/null)" = cgroup2fs ] && break; done
group=$mount/vbdd-test.$$
mkdir "$group" 2>/dev/null &&
    perl -e '$v = "1"; $n = "user.delegate";
             exit(syscall(188, $ARGV[0], $n, $v, 1, 0) != 0)' "$group" ||
    { rmdir "$group" 2>/dev/null
      echo '1..0 # SKIP needs root and a cgroup v2 with xattrs'; exit 77; }

remove_groups() {
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
}
trap 'stop_all; remove_groups; rm -rf "$work"' EXIT

# the daemon starts in the group GROUP; its log begins anew
start_in() {
    : >"$work/vbdd.log"
    local own=$BASHPID
    echo "$own" >"$1/cgroup.procs" || return 1
    start_vbdd
    echo "$own" >"$mount/cgroup.procs"
}

group_of() { sed -n "s,^0::,$mount,p" "/proc/$1/cgroup"; }
worker() { ctl --json show "$1" | grep -o '"worker":[0-9]*' | cut -d: -f2; }
attach() {
    ctl attach --domid 5 --vdev "$1" --target "$work/$1" --option buffered=yes
}
are_same() { echo "'$1' and '$2'"; [ "$1" = "$2" ]; }

truncate -s 64M "$work/xvda" "$work/xvdb"
start_local || bail 'the stand-in does not start'

# --- delegated --------------------------------------------------------------
mkdir "$group/disk-old" "$group/disk-busy"
sleep 600 & busy=$!
echo $busy >"$group/disk-busy/cgroup.procs"
start_in "$group" || bail 'vbdd does not start'
check 'vbdd is in a leaf' are_same "$(group_of "$vbdd_pid")" "$group/supervisor"
check 'an old group is removed' test ! -d "$group/disk-old"
check 'one with a process is not' test -d "$group/disk-busy"
kill $busy
check 'attach' attach xvda
check 'attach another one' attach xvdb
first=$(group_of "$(worker 1)") second=$(group_of "$(worker 2)")
key=$(ctl show 1 | sed -n 's/^key *//p')
check 'a worker is in the group of its target' are_same "$first" \
    "$group/disk-$key"
check 'another one in another' test "$first" != "$second"
check 'vbdctl says where' are_same "$first" \
    "$(ctl show 1 | sed -n 's/^cgroup *//p')"
for controller in cpu io memory; do
    grep -qw $controller "$group/cgroup.controllers" || continue
    check "it can be limited by $controller" grep -qw $controller \
        "$first/cgroup.controllers"
done
check 'it works' front --domid 5 verify --stamp --count 1024
check 'detach' ctl detach --domid 5 --vdev xvda --force
check 'its group has gone with it' test ! -d "$first"
kill -KILL "$(worker 2)"
gone() { [ ! -d "$second" ]; }
check 'as has the group of one that was killed' wait_for gone
ctl detach --domid 5 --vdev xvdb --force
stop_pid "$vbdd_pid"
rmdir "$group/disk-busy"
check 'an orderly end leaves nothing but the leaf' are_same \
    "$(cd "$group" && echo */)" supervisor/
check 'nothing was complained of' eval '! grep -i "cgroup\|control group" \
    "$work/vbdd.log"'

# --- not delegated ----------------------------------------------------------
mkdir "$group/plain"
start_in "$group/plain"
check 'what was not delegated is left alone' are_same \
    "$(group_of "$vbdd_pid")" "$group/plain"
check 'one line says so' are_same 1 "$(grep -c 'not delegated' "$work/vbdd.log")"
check 'disks are served all the same' attach xvda
check 'so are those that were to be limited' ctl attach --domid 5 --vdev xvdb \
    --target "$work/xvdb" --option buffered=yes --option read-rate=1M
check 'which is said' grep -q \
    "rates cannot be limited ('[0-9]*:[0-9]* rbps=1048576 wbps=max" \
    "$work/vbdd.log"
check 'in the same group' are_same "$(group_of "$(worker 1)")" "$group/plain"
check 'vbdctl says nothing of it' eval '! ctl show 1 | grep cgroup'
finish
