#!/bin/bash
# SPDX-License-Identifier: MIT
# In the Debian dom0: vbdd as a service that was installed and enabled, with a
# guest that lives through all that systemd does to it.
set -u
. /lab/units.sh
dropins=/run/systemd/system/$unit.d

is_after() { says " $(shows After "$1") " " $2 "; }
# began BEFORE AFTER: one unit was active before the other's start was begun
in_turn() {
  [ "$(shows ActiveEnterTimestampMonotonic "$1")" -le \
    "$(shows InactiveExitTimestampMonotonic "$2")" ]
}
journal_says() { journalctl -u $unit -o cat | grep -q -E -e "$1"; }
settings() { # LINE...: of [Service], until `settings` without any
  rm -rf $dropins
  if [ $# != 0 ]; then
    mkdir -p $dropins
    printf '%s\n' '[Service]' "$@" > $dropins/lab.conf
  fi
  systemctl daemon-reload
}
restarted_since() { # PID: is another vbdd serving?
  [ "$(shows MainPID)" != "$1" ] && systemctl -q is-active $unit &&
    vbdctl ping >/dev/null 2>&1
}

boot() {
  flow boot
  check "the system is up, and nothing has failed" \
    equal "$(systemctl is-system-running --wait)" running
  systemctl --failed
  check "vbdd is enabled" systemctl is-enabled $unit
  check "vbdd is active: it has said READY" \
    equal "$(shows Type),$(systemctl is-active $unit)" notify,active
  check "vbdctl is answered" vbdctl ping
  check "after xen.service" eval "is_after $unit xen.service &&
    in_turn xen.service $unit"
  check "before xendomains.service" eval "is_after xendomains.service $unit &&
    in_turn $unit xendomains.service"
  try systemd-analyze verify --man=no $unit
  check "systemd-analyze verify has nothing to say" equal "$status$said" 0
  systemd-analyze security $unit | sed 's/^/LAB:   /'
  systemctl status $unit | sed 's/^/LAB:   /'
}

create() {
  local group
  flow an ordinary guest
  config one "$(line xvda /dev/vda)"
  check "xl create succeeds" try xl create /tmp/one.cfg
  check "the guest boots" booted one
  check "it uses its disk" uses_its_disk
  group=$(sed 's/^0:://' "/proc/$(pidof vbdd-disk)/cgroup")
  check "its worker is in a control group of its own" \
    says "$group" '^/system.slice/vbdd.service/.'
  check "of which vbdctl tells" says "$(vbdctl --json list)" "$group"
  check "where its I/O, memory and CPU time can be limited" \
    ls "/sys/fs/cgroup$group"/{io.max,memory.max,cpu.weight}
  check "the journal has what concerns this guest" says \
    "$(journalctl -o cat -u $unit "VBDD_DOMID=$(xl domid one)")" connected
}

restart() {
  flow restart
  check "systemctl restart succeeds" try systemctl restart $unit
  check "the guest goes on with its disk" uses_its_disk
}

watchdog() {
  local before
  flow watchdog
  settings WatchdogSec=8
  systemctl restart $unit
  check "the guest has its disk" uses_its_disk
  before=$(shows MainPID)
  kill -STOP "$before"
  check "a vbdd that hangs is replaced" wait_for 60 restarted_since "$before"
  check "the journal says why" journal_says 'Watchdog timeout'
  check "the guest goes on with its disk" uses_its_disk
  settings
}

crash() {
  local before
  flow crash
  before=$(shows MainPID)
  kill -KILL "$before"
  check "a vbdd that was killed is replaced" \
    wait_for 30 restarted_since "$before"
  check "the guest goes on with its disk" uses_its_disk
}

mistake() {
  local conf
  flow a mistake in vbdd.conf
  conf=$(vbdd --help | sed -n 's/.*read FILE, not //p')
  mkdir -p "${conf%/*}"
  echo 'nonsense = 1' >"$conf"
  check "systemctl restart fails" is_not try systemctl restart $unit
  check "it is not tried again and again" \
    equal "$(shows ActiveState),$(shows SubState)" failed,failed
  check "the journal says what is wrong" journal_says "vbdd.conf:1: "
  config two "$(line xvda /root/two.img)"
  truncate -s 16M /root/two.img
  try xl create /tmp/two.cfg
  check "xl create fails" failed_with "unable to add disk devices"
  rm "$conf"
  check "put right, it starts" try systemctl start $unit
  check "the guest goes on with its disk" uses_its_disk
}

stop() {
  flow stop
  check "systemctl stop succeeds with a live guest" try systemctl stop $unit
  check "the unit has not failed" equal "$(systemctl is-active $unit)" inactive
  check "systemctl start succeeds" try systemctl start $unit
  check "the guest goes on with its disk" uses_its_disk
}

boot
create
restart
crash
watchdog
mistake
stop
finish_units
