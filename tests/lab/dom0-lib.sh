# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts in dom0 share (/lab/lib.sh there).

# Xen has no such guest any more: it was destroyed when it crashed.
is_gone() { ! xl list guest >/dev/null 2>&1; }

# explain_silence CONSOLE: of a guest that has not come to its end. One that
# waits for its disk still says that it is alive, which takes no disk.
explain_silence() {
  local heard
  grep -q 'GUEST: exit' "$1" && return
  is_gone && { echo "LAB: the guest is gone"; return; }
  heard=$(grep -c 'GUEST: alive' "$1")
  sleep 30
  [ "$(grep -c 'GUEST: alive' "$1")" = "$heard" ] &&
    echo "LAB: the guest is dead: it has said nothing for 30 s"
  for key in q e; do xl debug-keys $key; done
  xl dmesg | tail -n 60
}
