#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: vbdd, vbdctl and the hotplug script block-vbdd say and return what
# their manual pages promise. Source: vbdd(8), vbdctl(1), libxl's contract for
# hotplug scripts (hotplug-status, hotplug-error). Mechanism: the installed
# forms of all three over the stand-in, with a worker that moves no data; the
# toolstack's nodes are written by hand.
set -u
top_builddir=${top_builddir:-.}
bin=$(cd "$top_builddir" && pwd)
dir=$(mktemp -d /tmp/vbdd-ctl-XXXXXX)
export XENSTORED_PATH="$dir/xenstored"
tests=0

stop() {
    kill "$(cat "$dir/pid" 2>/dev/null)" "${hypervisor:-}" 2>/dev/null
    wait
    rm -rf "$dir"
}
trap stop EXIT

ctl() {
    "$bin/vbdctl" --socket "$dir/state/control" "$@"
}

# report SENTENCE TRUE|FALSE DETAIL
report() {
    tests=$((tests + 1))
    if [ "$2" = 0 ]; then
        echo "ok $tests - $1"
    else
        echo "not ok $tests - $1"
        echo "$3" | sed 's/^/# /'
    fi
}

# expect SENTENCE STATUS PATTERN COMMAND...: exit status, and a line like this
expect() {
    sentence=$1 wanted=$2 pattern=$3
    shift 3
    said=$("$@" 2>&1)
    status=$?
    [ $status = "$wanted" ] && echo "$said" | grep -qE -- "$pattern"
    report "$sentence" $? "status $status, wanted $wanted and '$pattern': $said"
}

# The script as installed, but for where vbdctl's socket is; what it writes is
# also kept in $dir/written, a line each time.
script() {
    cat >"$dir/ctl" <<EOF
#!/bin/sh
exec '$bin/vbdctl' --socket '$dir/state/control' "\$@"
EOF
    cat >"$dir/write" <<EOF
#!/bin/sh
echo "\$@" then >>'$dir/written'
exec xenstore-write "\$@"
EOF
    chmod +x "$dir/ctl" "$dir/write"
    rm -f "$dir/written"
    VBDCTL="$dir/ctl" XENSTORE_WRITE="$dir/write" XENBUS_PATH="$back" \
        "$bin/backend/xl/block-vbdd" "$@"
}

read_node() {
    xenstore-read "$1" 2>&1
}

await_node() {
    for _ in $(seq 3000); do
        [ "$(read_node "$1")" = "$2" ] && return
        sleep 0.02
    done
    echo "# $1 never became $2"
}

start_vbdd() {
    "$bin/vbdd" --background --state-dir "$dir/state" --log-level debug \
        --worker "$bin/tests/unit/supervisor-fake-worker" \
        --config "$dir/vbdd.conf" "$@"
}

# --- before there is anything -----------------------------------------------
expect 'vbdctl says when there is no vbdd' 1 'is vbdd running' ctl ping
expect 'vbdctl without a command is a mistake' 2 'command is missing' ctl
expect 'a word too many is a mistake' 2 "one word too many" ctl list all
expect 'an unknown option is a mistake' 2 "vbdctl --help" ctl --frobnicate
expect 'vbdctl has help' 0 '^Usage: vbdctl' ctl --help
expect 'vbdctl has a version' 0 '^vbdctl [0-9]' ctl --version
expect 'vbdd has help' 0 '^Usage: vbdd' "$bin/vbdd" --help
expect 'vbdd has a version' 0 '^vbdd [0-9]' "$bin/vbdd" --version
expect 'vbdd takes no arguments' 2 "no arguments" "$bin/vbdd" serve
expect 'vbdd refuses a log level that is none' 2 "expected error, warning" \
    "$bin/vbdd" --log-level loud
expect 'vbdd without a store ends and says so' 1 'XenStore cannot be reached' \
    "$bin/vbdd" --background --state-dir "$dir/state" --local "$dir/none"

# Whoever can write there can put his socket in the place of vbdd's.
strange_state() { "$bin/vbdd" --state-dir "$dir/strange" --local "$dir/none"; }
mkdir -m 0777 "$dir/strange"
expect 'a state directory that others can write is refused' 1 \
    'strange: expected a directory that is ours' strange_state
rmdir "$dir/strange"
ln -s "$dir" "$dir/strange"
expect 'a state directory by a link is refused' 1 'strange: expected a d' \
    strange_state
rm "$dir/strange"
if [ "$(id -u)" = 0 ]; then
    install -d -m 0700 -o nobody "$dir/strange"
    expect "somebody else's state directory is refused" 1 \
        'strange: expected a d' strange_state
    rmdir "$dir/strange"
fi

echo '[defaults]' >"$dir/vbdd.conf"
echo 'buffered = perhaps' >>"$dir/vbdd.conf"
expect 'vbdd refuses a configuration with a mistake' 2 \
    "vbdd.conf:2: buffered = 'perhaps': expected yes or no" start_vbdd

# --- with the stand-in ------------------------------------------------------
"$bin/vbdd-local" "$dir" >"$dir/hypervisor.log" &
hypervisor=$!
while [ ! -S "$XENSTORED_PATH" ]; do sleep 0.02; done
echo '[vbdd]' >"$dir/vbdd.conf"
start_vbdd --local "$dir" 2>"$dir/vbdd.log"
report 'in the background, vbdd serves as soon as it returns' $? \
    "$(cat "$dir/vbdd.log")"
cp "$dir/state/lock" "$dir/pid"
expect 'ping' 0 '^vbdd [0-9]' ctl ping
expect 'a second vbdd in the same place is refused' 1 'in use by another vbdd' \
    start_vbdd --local "$dir"
expect 'an empty list' 0 '^no disks$' ctl list

truncate -s 1G "$dir/disk" "$dir/disk2"
expect 'attach' 0 '^$' ctl attach --domid 5 --vdev xvda \
    --target "$dir/disk" --engine ok --option flush-retry=1min
expect 'list shows the disk' 0 "^1 +ready +64.0 MiB +ok +[0-9]+ +$dir/disk" \
    ctl list
expect 'list shows the vbd' 0 '^5/xvda +1 +w +InitWait +Initialising +none' \
    ctl list
expect 'show a disk' 0 '^sector_bytes +512 B$' ctl show 1
expect 'show a vbd' 0 '^state +InitWait$' ctl show 5/xvda
expect 'show the policy' 0 '^after_handover +allow$' ctl show 5/xvda
expect 'show who may connect' 0 '^nbd_owner +root only$' ctl show 1
expect 'show a handover' 0 '^handed_over +yes$' ctl show 1
expect 'where to connect' 0 "^nbd[+]unix:///[?]socket=$dir/state/nbd/5-xvda\$" \
    ctl nbd 5/xvda
expect 'where to connect to a disk' 0 '/5-xvda$' ctl nbd 1
expect 'where to connect to what is not' 1 'there is no disk 9' ctl nbd 9
expect 'nbd wants a disk' 2 'nbd: expected DISK or DOMID/VDEV' ctl nbd
expect 'show what is not' 1 '^vbdctl: there is no disk 9$' ctl show 9
expect 'stats' 0 'p50 46 us  p99 46 us  p99.9 1.4 ms' ctl stats
expect 'the options arrived' 0 '--flush-retry 60000000' cat "$dir/disk.log"
expect 'a histogram' 0 '^ +32 us to +46 us +990 +#{40}$' ctl stats --histogram
expect 'the tail of a histogram' 0 '^ +1.0 ms to +1.4 ms +10 +#$' \
    ctl stats 1 --histogram
expect 'stats of emulated clients' 0 '^  emulated +read 700  write 300  ' \
    ctl stats
expect 'stats of what emulated clients read' 0 '^    read +2.7 MiB$' ctl stats
expect 'stats of what is not' 1 '^vbdctl: there is no disk 9$' ctl stats 9
expect 'features of who has not connected' 0 '^  abi +- +-$' \
    ctl features 5/xvda
expect 'the level is said' 0 '^vbdd  debug$' ctl log-level
expect 'the level is set' 0 '^$' ctl log-level info
expect 'the worker has it too' 0 '^disk 1  info$' ctl log-level
expect 'a level for one worker' 0 '^$' ctl log-level warning 1
expect 'the one worker has it' 0 '^disk 1  warning$' ctl log-level
expect 'a level that is none' 1 "'loud' is no level: expected error, warning" \
    ctl log-level loud
expect 'the level is set back' 0 '^$' ctl log-level debug
expect 'resize wants a disk' 2 'resize: expected DISK or DOMID/VDEV' ctl resize
expect 'resize of what is not' 1 '^vbdctl: there is no disk 9$' ctl resize 9
expect 'a disk that has not grown' 0 \
    '^disk 1: 67108864 bytes \(64.0 MiB\), unchanged$' ctl resize 1
front=/local/domain/5/device/vbd/51712
xenstore-write $front/ring-ref 8 $front/event-channel 3 $front/state 3
await_node /local/domain/0/backend/vbd/5/51712/state 4
expect 'stats of a queue' 0 '^ +0 +4 +128 +1003 +7 +3 +1000 +200 +150 +140$' \
    ctl stats 5/xvda
expect 'stats of persistent grants' 0 \
    '^ +persistent grants 100 of 1024, hits 900, misses 110, evictions 10$' \
    ctl stats
expect 'features of who has connected' 0 '^  abi +- +x86_64$' ctl features
expect 'features say both sides' 0 '^  indirect segments +256 +64$' \
    ctl features 5/xvda
echo 134217728 >"$dir/disk.size"
expect 'a disk that has grown' 0 \
    'was 67108864 \(64.0 MiB\); said to 5/xvda$' ctl resize 5/xvda
expect 'the front end can see it' 0 '^262144$' \
    read_node /local/domain/0/backend/vbd/5/51712/sectors
echo 512 >"$dir/disk.size"
expect 'a disk that has shrunk' 1 '^vbdctl: disk 1: .* smaller$' ctl resize 1
expect 'a reply as it comes' 0 '^\{.*"ok":true\}$' ctl --json list
expect 'a refusal as it comes' 1 '^\{"ok":false,"error":".*"\}$' \
    ctl --json show 9
expect 'attaching twice' 1 '5/xvda is attached already' ctl attach \
    --domid 5 --vdev xvda --target "$dir/disk"
xenstore-write /local/domain/5/device/vbd/51712/state 6
expect 'detach' 0 '^$' ctl detach --domid 5 --vdev xvda
expect 'nothing is left' 0 '^no disks$' ctl list

# --- watching ---------------------------------------------------------------
# await_lines FILE COUNT PATTERN: at least so many, or after 60 s not
await_lines() {
    for _ in $(seq 3000); do
        [ "$(grep -c -- "$3" "$1")" -ge "$2" ] && return
        sleep 0.02
    done
    return 1
}

expect 'what does nothing cannot be watched' 2 'only list and stats' \
    ctl --watch resize 1
expect 'a time that is none' 2 'expected 0.1 to 86400 seconds' \
    ctl --watch=0 list
expect 'a refusal ends it' 1 'there is no disk 9' ctl --watch=0.1 stats 9

timeout 60 "$bin/vbdctl" --socket "$dir/state/control" --watch=0.1 list \
    >"$dir/watched" 2>&1 &
watcher=$!
await_lines "$dir/watched" 3 '^no disks$'
report 'list is repeated' $? "$(cat "$dir/watched")"
kill -INT $watcher
wait $watcher
report 'SIGINT ends it well' $? "status $?"
! grep -q "$(printf '\033')" "$dir/watched"
report 'no screen is cleared where there is none' $? "$(cat -v "$dir/watched")"

lines=$(ctl --json --watch=0.1 list | head -n 3 | grep -c '^{.*}$')
[ "$lines" = 3 ]
report 'with --json each time is a line' $? "$lines"
mkfifo "$dir/pipe"
timeout 60 "$bin/vbdctl" --socket "$dir/state/control" --watch=86400 list \
    >"$dir/pipe" 2>&1 &
watcher=$!
head -n 1 "$dir/pipe" >/dev/null
wait $watcher
report 'it ends when nobody reads' $? "status $?"

# --- the hotplug script -----------------------------------------------------
back=/local/domain/0/backend/vbd/7/768
front=/local/domain/7/device/vbd/768
# tree PARAMS
tree() {
    xenstore-write $front/state 1 $back/frontend $front $back/frontend-id 7 \
        $back/params "$1" $back/mode w $back/online 1 \
        $back/script /etc/xen/scripts/block-vbdd $back/state 1
    await_node $back/state 2
}
expect 'the script wants an action' 1 "'' is no action" script
xenstore-rm $back
tree "engine=ok,$dir/disk"
uri="nbd[+]unix:///[?]socket=$dir/state/nbd/7-hda"
expect 'add' 0 '^$' script add
expect 'add says connected' 0 '^connected$' read_node $back/hotplug-status
expect 'add tells where the emulated disk is first, then that it is there' 0 \
    "^$back/physical-device-path $uri,file.reconnect-delay=60 then \
$back/hotplug-status connected then\$" paste -sd ' ' "$dir/written"
expect 'the disk is there' 0 "^2 +ready.*$dir/disk" ctl list
xenstore-write $back/online 0 $back/state 5
await_node $back/state 6
expect 'remove' 0 '^$' script remove
expect 'remove waits for the worker' 1 'there is no disk 2' ctl show 2
xenstore-rm $back
xenstore-rm $front
tree "engine=ok,nbd=no,$dir/disk"
expect 'add of a disk without a door' 0 '^$' script add
expect 'no emulated disk is told of' 0 \
    "^$back/hotplug-status connected then\$" paste -sd ' ' "$dir/written"
printf '%s\n' '#!/bin/sh' 'echo "nbd+unix:///?socket=/a,b"' >"$dir/comma"
chmod +x "$dir/comma"
expect 'what QEMU would misunderstand is not written' 1 'not to be given' \
    env VBDCTL="$dir/comma" XENBUS_PATH="$back" "$bin/backend/xl/block-vbdd" add
expect 'but said' 0 "'nbd.*a,b' is not to be given to QEMU" \
    read_node $back/hotplug-error
expect 'and nowhere else' 1 'No such|couldn' \
    xenstore-read $back/physical-device-path
xenstore-write $back/online 0 $back/state 5
await_node $back/state 6
expect 'its end' 0 '^$' script remove
xenstore-rm $back
xenstore-rm $front
tree "engine=fail,$dir/disk"
expect 'a failed add' 1 'the target is held by process 1' script add
expect 'a failed add says error' 0 '^error$' read_node $back/hotplug-status
expect 'a failed add says why' 0 '^the target is held by process 1$' \
    read_node $back/hotplug-error
xenstore-rm $back
expect 'add of what is not there' 1 'is not a back-end node' script add

timeout 60 "$bin/vbdctl" --socket "$dir/state/control" --watch=0.1 stats \
    >"$dir/watched" 2>&1 &
watcher=$!
expect 'one more disk' 0 '^$' ctl attach --domid 5 --vdev xvda \
    --target "$dir/disk2" --engine ok
await_lines "$dir/watched" 2 \
    '  rate  *0 requests/s  read [1-9][0-9]*[.][0-9] MB/s  written 0.0 MB/s$'
report 'stats has rates' $? "$(tail "$dir/watched")"

# --- the end ----------------------------------------------------------------
kill "$(cat "$dir/pid")"
for _ in $(seq 3000); do
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.02
done
wait $watcher
[ $? = 1 ] && tail -n 1 "$dir/watched" | grep -q '^vbdctl: .*vbdd'
report 'who watches is told that vbdd has gone' $? "$(tail "$dir/watched")"
expect 'SIGTERM ends it' 0 'ended$' cat "$dir/vbdd.log"
echo "1..$tests"
