#!/bin/bash
# SPDX-License-Identifier: MIT
# In a Debian dom0 on which vbdd was installed: what the man pages say, as they
# say it. Only the number of the guest, which they guess, is put right.
set -u
. /lab/lib.sh
console=/var/log/xen/console/guest-guest.log

examples() { # PAGE: what is indented under EXAMPLES, as man(1) shows it
  sed -n '/^\.SH "EXAMPLES"/,/^\.SH "[^E]/p' /usr/local/share/man/man?/"$1" |
    sed -n '/^\.Vb/,/^\.Ve/p' |
    sed "/^\./d; s/^\\\\&    //; s/\\\\-/-/g; s/\\\\\*(Aq/'/g"
}
follow() { # COMMAND
  local command=${1//5\//$(xl domid guest 2>/dev/null)/}
  if bash -c "$command" >/tmp/said 2>&1 </dev/null; then
    echo "LAB: done: $1"
  else
    echo "LAB: not done: $1"
  fi
  sed 's/^/SAID: /' /tmp/said
}
says() { # PATTERN: waits until the guest has said it
  for i in $(seq 300); do
    grep -q -e "$1" $console 2>/dev/null && return
    [ $((i % 25)) = 0 ] && is_gone && break
    sleep 0.2
  done
  explain_silence $console
}

for example in /usr/local/share/doc/vbdd/examples/*.cfg; do
  xl -N create "$example" >/tmp/said 2>&1 && echo "LAB: xl takes ${example##*/}"
done

mkdir /dev/vg
for name in guest data more; do
  truncate -s 16M /srv/$name
  ln -s /srv/$name /dev/vg/$name
done
examples vbdd.conf.5 | sed '/^disk/,$d' >/etc/vbdd.conf
mapfile -t start < <(examples vbdd.8 | grep -e ^systemctl -e ^vbdctl.doctor)
mapfile -t attach < <(examples block-vbdd.8 | grep '^xl ')
mapfile -t look < <(examples vbdctl.1 | sed 's/^lvextend.* && //' |
                    grep '^vbdctl' | grep -v -e watch -e tach -e jq)

for command in "${start[@]}"; do follow "$command"; done
config guest "$(line xvda none)"
sed -i /^disk/d /tmp/guest.cfg
examples block-vbdd.8 | sed -n '/^disk/,/^]/p' >>/tmp/guest.cfg
follow "xl create /tmp/guest.cfg"
says "JOB: xvdb: written"
follow "${attach[0]}"
says "JOB: xvdc: written"
for command in "${look[@]}"; do follow "$command"; done
follow "${attach[1]}"
follow "xl destroy guest"
for i in $(seq 50); do
  vbdctl list | grep -q /dev/ || break
  sleep 0.2
done
echo "LAB: disks left: $(vbdctl list | grep -c /dev/)"
sed 's/^/GUESTLOG: /' $console
follow "systemctl stop vbdd"
journalctl -u vbdd -b -o cat | sed 's/^/VBDDLOG: /'
