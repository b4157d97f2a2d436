#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: what the man pages say, as they say it. Only the number of the guest,
# which they guess, is put right.
set -u
. /lab/lib.sh
console=/var/log/xen/console/guest-guest.log
export DM_DISABLE_UDEV=1

indented() { # PAGE HEADING
  sed -n "/^=head1 $2\$/,/^=head1/s/^    //p" "/lab/docs/$1.pod"
}
follow() { # COMMAND
  local command=${1//5\//$(xl domid guest 2>/dev/null)/}
  if bash -c "$command" >/tmp/said 2>&1; then
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

for example in /lab/examples/*.cfg; do
  xl -N create "$example" >/tmp/said 2>&1 && echo "LAB: xl takes ${example##*/}"
done

mkdir -p /dev/vg
n=0
for name in guest data more; do
  dmsetup create $name --table "0 32768 linear /dev/vda $((++n * 32768))"
  ln -s /dev/mapper/$name /dev/vg/$name
done
vbdd --foreground >/tmp/vbdd.log 2>&1 &
vbdd=$!
for i in $(seq 50); do vbdctl ping >/dev/null 2>&1 && break; sleep 0.1; done

indented block-vbdd EXAMPLES | grep '^xl ' >/tmp/attach
indented vbdctl EXAMPLES | sed 's/^lvextend.* && //' |
  grep '^vbdctl' | grep -v -e watch -e tach -e jq >/tmp/look
mapfile -t attach </tmp/attach
mapfile -t look </tmp/look
follow "${look[0]}" # doctor
cat >/tmp/guest.cfg <<END
name = "guest"
type = "pvh"
kernel = "/lab/vmlinuz"
ramdisk = "/lab/guest.cpio.gz"
extra = "console=hvc0 loglevel=6"
on_reboot = "destroy" # a triple fault is a reboot
memory = 256
vcpus = 1
END
indented block-vbdd EXAMPLES | sed -n '/^disk/,/^]/p' >>/tmp/guest.cfg
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
kill $vbdd
wait $vbdd
echo "LAB: vbdd ended with $?"
sed 's/^/VBDDLOG: /' /tmp/vbdd.log
