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

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

start_vbdd() { # OPTION...
  vbdd --foreground "$@" >>/tmp/vbdd.log 2>&1 &
  vbdd=$!
  wait_for 10 vbdctl ping
}
end_vbdd() {
  kill $vbdd
  wait $vbdd
}
# ... and shows what it has said
stop_vbdd() {
  end_vbdd
  echo "LAB: vbdd ended with $?"
  sed 's/^/VBDDLOG: /' /tmp/vbdd.log
}

line() { # DEVICE TARGET [ACCESS]: as in a guest's configuration
  echo "vdev=$1,format=raw,access=${3:-rw},backendtype=phy,script=block-vbdd,target=$2"
}
qdisk() { echo "vdev=$1,format=raw,access=rw,backendtype=qdisk,target=$2"; }
# plain DEVICE TARGET: xen-blkback's
plain() { echo "vdev=$1,format=raw,access=rw,backendtype=phy,target=$2"; }
load_blkback() { # from here on it takes each vbd; Debian's script needs udev
  cat > /etc/xen/scripts/block <<'END'
#!/bin/bash
[ "$1" = add ] || exit 0
xenstore-write "$XENBUS_PATH/physical-device" \
  "$(stat -L -c %t:%T "$(xenstore-read "$XENBUS_PATH/params")")" \
  "$XENBUS_PATH/hotplug-status" connected
END
  chmod +x /etc/xen/scripts/block
  modprobe xen-blkback
}

config() { # NAME DISK [LINE...]: makes /tmp/NAME.cfg
  local file=/tmp/$1.cfg
  cat > "$file" <<END
name = "$1"
type = "pvh"
kernel = "/lab/vmlinuz"
ramdisk = "/lab/guest.cpio.gz"
extra = "console=hvc0 loglevel=3"
on_reboot = "destroy" # a triple fault is a reboot
memory = 128
disk = ["$2"]
END
  shift 2
  [ $# = 0 ] || printf '%s\n' "$@" >> "$file"
}
