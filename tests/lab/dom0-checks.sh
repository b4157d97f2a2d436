# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For scripts in dom0 that lead guests and judge by themselves (/lab/checks.sh
# there): what they claim goes to the console, where `claims` of lib.sh reads
# it.
#
#   flow NAME                   what comes now
#   try COMMAND...              runs it: $status, and $said, what it has said
#   check SENTENCE COMMAND...   a claim: true when the command succeeds
#   start_vbdd; config one "$(line xvda /dev/vda)"
#   xl create /tmp/one.cfg; booted one
#   ask one 'dd ...'            done in the guest: what it says, its status
. /lab/lib.sh
status=0 said= forgiven=0

flow() { echo "LAB: flow $*, at $(cut -d' ' -f1 /proc/uptime) s"; }

try() {
  local begin=${EPOCHREALTIME/[.,]/}
  "$@" >/tmp/said 2>&1
  status=$?
  said=$(cat /tmp/said)
  echo "LAB: \$ $*: $status after $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
  sed 's/^/LAB:   /' /tmp/said
  return $status
}

# check SENTENCE COMMAND...: the command's output is shown when it fails
check() {
  local sentence=$1
  shift
  if "$@" >/tmp/check 2>&1; then
    echo "LAB: ok $sentence"
  else
    echo "LAB: not ok $sentence"
    echo "LAB:   failed: $*"
    sed 's/^/LAB:   /' /tmp/check | tail -n 20
    ! is_lost || { finish; exit 1; }
  fi
}
# Has the emulation lost a guest? Nothing that follows says anything then, and
# lib.sh begins again.
is_lost() {
  [ "$(nr_lost)" -gt $forgiven ] &&
    echo "LAB: the emulation has lost a guest"
}
nr_lost() { { cat /tmp/xen.log; xl dmesg; } 2>&1 | grep -c 'Triple fault'; }

is_not() { ! "$@"; }
# says TEXT PATTERN
says() { grep -q -E -e "$2" <<<"$1" || { echo "$1"; return 1; }; }
# failed_with PATTERN: the last `try`
failed_with() { [ "$status" != 0 ] && says "$said" "$1"; }
equal() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }

# --- vbdd ---------------------------------------------------------------------

vbdd_says() { grep -q -E -e "$1" /tmp/vbdd.log; }
serves() { vbdctl list | grep -q -E -e "(^| )$1( |\$)"; } # TARGET or DOMID/VDEV
# taken_in_turns TARGET: was a worker started only where the last had ended?
taken_in_turns() {
  awk -v target="$1" '
    index($0, target " is served by worker") && held++ { exit bad = 1 }
    index($0, target " is free") || index($0, target " failed") { held = 0 }
    END { exit bad }' /tmp/vbdd.log
}

# --- guests -------------------------------------------------------------------

console() { cat /var/log/xen/console/guest-"$1"*.log 2>/dev/null | tr -d '\r'; }
lives() { xl domid "$1" >/dev/null 2>&1; }
state_of() { xl list "$1" | awk 'NR == 2 {print $5}'; }
front() { echo "/local/domain/$(xl domid "$1")/device/vbd/$2"; } # GUEST DEVID
front_is() { [ "$(xenstore-read "$(front "$1" "$2")/state")" = "$3" ]; }
back_is() { [ "$(xenstore-read "$(back "$1" "$2")/state")" = "$3" ]; }
back() { echo "/local/domain/0/backend/vbd/$(xl domid "$1")/$2"; }

nr_boots() { console "$1" | grep -c '^JOB: ready'; }
booted() { # GUEST [BOOTS]: has it come up, for the nth time?
  local i
  for i in $(seq 600); do
    [ "$(nr_boots "$1")" -ge "${2:-1}" ] && return
    [ $((i % 10)) != 0 ] || lives "$1" || break
    sleep 0.1
  done
  console "$1" | tail -n 20
  return 1
}

# up GUEST: it has been created and boots; what the emulation loses before it
# is up is created once more.
up() {
  local boots=$(($(nr_boots "$1") + 1)) _
  for _ in 1 2 3 4; do
    booted "$1" $boots && return
    [ "$(nr_lost)" -gt $forgiven ] || break
    forgiven=$(nr_lost)
    xl destroy "$1"
    xl create "/tmp/$1.cfg"
  done
  return 1
}

# ask GUEST COMMAND: what it says, and its status; 98 when there is no
# within 30 s.
ask() {
  local nr=${EPOCHREALTIME/[.,]/}
  echo "$nr ${2//$'\n'/ }" > "$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty")"
  wait_for 30 answered "$1" "$nr" || return 98
  console "$1" | sed -n "s/^$nr: //p"
  return "$(console "$1" | sed -n "s/^$nr end //p")"
}
answered() { console "$1" | grep -q "^$2 end"; }

# --- stamps -------------------------------------------------------------------

load() { # GUEST DEVICE RUN WRITERS: until it is told to end
  ask "$1" "stampload write /dev/$2 $3 $4 >/dev/console 2>&1 & echo \$! >/tmp/load"
}
end_load() { # GUEST RUN
  ask "$1" 'kill $(cat /tmp/load)'
  wait_for 20 has_ended "$1" "$2"
}
has_ended() { console "$1" | grep -q "STAMPS: run $2 \(ended\|failed\)"; }
has_failed() { console "$1" | grep "STAMPS: run $2 failed"; }
# What is known to be acknowledged, as stampload's arguments: numbers only grow,
# and a domain that comes in by migration has a console's log of its own.
acknowledged() { # GUEST RUN
  console "$1" | sed -n "s/^STAMPS: run $2\( ended\)*: //p" |
    sort -t = -k 2,2n -k 3,3n -k 4,4n | tail -n 1
}
# Have all writers got as far as SEQUENCE since now?
goes_on() { # GUEST RUN [WRITES]
  local before
  before=$(acknowledged "$1" "$2")
  wait_for 30 is_past "$1" "$2" "$before" "${3:-20}"
}
is_past() { # GUEST RUN BEFORE WRITES
  local word before=" $3 " old
  for word in $(acknowledged "$1" "$2"); do
    old=${before#* "${word%=*}="}
    [ "$old" != "$before" ] || old=0
    [ "${word#*=}" -ge $((${old%% *} + $4)) ] || return 1
  done
  [ -n "$word" ]
}

# --- the end ------------------------------------------------------------------

# What may leak, one line each.
counts() {
  xl debug-keys g
  sleep 0.2
  xl dmesg -c > /tmp/grants
  cat /tmp/grants >> /tmp/xen.log
  echo "domains $(xl list | grep -c '^[^N]')"
  echo "event channels of dom0 $(lsevtchn 0 | wc -l)"
  echo "grants in use $(grep -c '(XEN) *\[0x' /tmp/grants)"
  ls -l /proc/$vbdd/fd | sed -n 's/.*-> //; s/:\[[0-9]*\]//; /\//p; /:/p' |
    sort | uniq -c | sed 's/^ */descriptors of vbdd /'
  echo "workers $(pidof vbdd-disk | wc -w)"
  echo "XenStore nodes $(xenstore-ls | wc -l)"
  echo "state files $(find /run/vbdd | wc -l)"
}

finish() {
  sed 's/^/VBDDLOG: /' /tmp/vbdd.log
  echo "LAB: end of checks"
}
