# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# What the scripts of the Debian dom0 share (/lab/units.sh there).
. /lab/checks.sh
unit=vbdd.service

shows() { systemctl show "${2:-$unit}" -p "$1" --value; } # PROPERTY [UNIT]

# The guest writes a line more and reads all of them, past its page cache.
nr=0
uses_its_disk() {
  nr=$((nr + 1))
  ask one "echo round $nr |
    dd of=/dev/xvda bs=4k seek=$nr conv=sync oflag=direct 2>/dev/null;
    dd if=/dev/xvda bs=4k skip=1 count=$nr iflag=direct 2>/dev/null |
    tr -d '\0'" >/tmp/lines
  equal "$(grep -c '^round' /tmp/lines)" $nr &&
    says "$(cat /tmp/lines)" "^round $nr"
}

# The end of such a script, with the journal in place of vbdd's log.
finish_units() {
  journalctl -u $unit -o short-monotonic >/tmp/vbdd.log
  finish
}
