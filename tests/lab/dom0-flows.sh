#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: what an administrator does with xl, one flow after the other, with
# two guests: `one` and `two`.
set -u
. /lab/checks.sh
images=/mnt/images

prepare() {
  local name
  mkdir -p $images
  mount -t ext4 /dev/vda $images || exit 1
  for name in one two more base both; do truncate -s 16M $images/$name; done
  stampload write $images/base 9 1 >/tmp/base & # a base image to be shared
  sleep 1
  kill $!
  wait $!
  base=$(sed -n 's/.* ended: //p' /tmp/base)
  start_vbdd
}

create() {
  flow create
  config one "$(line xvda $images/one)" 'on_reboot = "restart"' \
    'on_soft_reset = "soft-reset"'
  check "xl create -p succeeds" try xl create -p /tmp/one.cfg
  check "the guest is paused, with its disk attached" says "$(state_of one)" p
  check "vbdd serves its target" serves $images/one
  check "xl block-list: initialising, served by dom0's backend/vbd" \
    says "$(xl block-list one)" "51712 +0 .* 1 .*/backend/vbd/[0-9]+/51712"
  check "xl unpause lets it boot" eval 'xl unpause one && up one'
  check "xl block-list: connected" says "$(xl block-list one)" "51712 +0 .* 4 "
  check "the guest uses the disk" ask one \
    'mkfs.ext4 -q -F /dev/xvda && mount /dev/xvda /mnt && echo kept >/mnt/file && sync'
}

# pygrub's place: whatever is called as bootloader finds the disk in dom0.
bootloader() {
  flow bootloader
  cat > /lab/bootloader <<'END'
#!/bin/bash
for word; do
  case $word in
  --output=*) output=${word#--output=};;
  --output-directory=*) dir=${word#--output-directory=};;
  /*) disk=$word;;
  esac
done
{
  echo "called with $*"
  ls -l "$disk"
  stampload check "$disk" 9 $(cat /tmp/base-acknowledged)
} >/tmp/bootloader.log 2>&1
cp /lab/vmlinuz /lab/guest.cpio.gz "$dir" # libxl deletes what it is given
printf 'kernel %s\0ramdisk %s\0args console=hvc0 loglevel=3\0' \
  "$dir/vmlinuz" "$dir/guest.cpio.gz" >"$output"
END
  chmod +x /lab/bootloader
  echo "$base" > /tmp/base-acknowledged
  config two "$(line xvda $images/two)" 'bootloader = "/lab/bootloader"'
  sed -i '/^kernel\|^ramdisk\|^extra/d' /tmp/two.cfg
  cp $images/base $images/two
  modprobe xen-blkfront
  check "xl create with a bootloader succeeds" try xl create /tmp/two.cfg
  sed 's/^/LAB:   bootloader: /' /tmp/bootloader.log
  check "it has read the disk in dom0, through vbdd" \
    says "$(cat /tmp/bootloader.log)" "as acknowledged, 0 of them newer, 0 wrong"
  check "and dom0 has given it back" is_not serves '0/xvd.'
  check "the guest boots with what it has found" up two
}

attach_and_detach() {
  flow block-attach, block-list, block-detach
  check "xl block-attach succeeds" \
    try xl block-attach one "$(line xvdb $images/more)"
  check "the guest sees the disk" ask one \
    'has xvdb && echo hello | dd of=/dev/xvdb oflag=direct conv=sync 2>/dev/null'
  check "xl block-list has both" \
    says "$(xl block-list one | awk '{print $1 "," $4}' | xargs)" 51712,4.51728,4
  check "xl block-detach succeeds" try xl block-detach one xvdb
  check "the guest has lost it" ask one '[ ! -b /dev/xvdb ]'
  check "xl block-list does not have it" \
    is_not says "$(xl block-list one)" 51728
  check "vbdd has let the target go" is_not serves $images/more
  check "what the guest wrote is there" says "$(head -c 5 $images/more)" hello
}

detach_while_mounted() {
  flow block-detach while mounted
  xl block-attach one "$(line xvdb $images/more)"
  ask one 'has xvdb && mkdir -p /mnt2 && mkfs.ext4 -q -F /dev/xvdb &&
    mount /dev/xvdb /mnt2 && echo 1 >/mnt2/file && sync'
  check "Linux 6.1 gives a mounted disk back, and xl block-detach succeeds" \
    try xl block-detach one xvdb
  check "vbdd has let the target go" wait_for 5 is_not serves $images/more
  check "the guest gets errors, and its other disk serves on" ask one \
    '! dd if=/dev/zero of=/mnt2/more bs=4k count=1 conv=fsync &&
     umount -l /mnt2 && echo 3 >/mnt/file && sync'
  e2fsck -p $images/more
  check "what it had synced is on the target" e2fsck -f -n $images/more
  flow block-detach --force
  xl block-attach one "$(line xvdb $images/more)"
  ask one 'has xvdb && mount /dev/xvdb /mnt2 && [ -s /mnt2/file ] && umount /mnt2'
  check "xl block-detach --force succeeds" try xl block-detach --force one xvdb
  check "vbdd has let the target go" wait_for 5 is_not serves $images/more
  check "the guest loses it, and its other disk serves on" ask one \
    'while [ -b /dev/xvdb ]; do sleep 0.2; done; echo 3 >/mnt/file && sync'
}

shared_base() {
  flow a read-only base of two guests
  for guest in one two; do
    check "$guest attaches the base read-only" \
      try xl block-attach $guest "$(line xvdc $images/base ro)"
    check "$guest reads it" ask $guest \
      "has xvdc && stampload check /dev/xvdc 9 $base"
    check "$guest cannot write to it" ask $guest \
      '[ $(cat /sys/block/xvdc/ro) = 1 ] &&
       ! dd if=/dev/zero of=/dev/xvdc bs=4k count=1 oflag=direct'
  done
  check "one process serves both" equal \
    "$(vbdctl list | grep -c "$images/base"),$(vbdctl list | grep -c /xvdc)" 1,2
  try xl block-attach one "$(line xvdd $images/base rw)"
  check "nobody gets it writable as long as it is shared" \
    failed_with "open read-only for [0-9]+/xvdc"
  xl block-detach one xvdd
  for guest in one two; do xl block-detach $guest xvdc; done
  check "the base is as it was" stampload check $images/base 9 $base
}

shared_writable() {
  flow w!
  check "one attaches it writable for several" \
    try xl block-attach one "$(line xvdc "mode=w!,$images/both")"
  try xl block-attach two "$(line xvdc "$images/both")"
  check "who does not say so is refused, and told who has it" \
    failed_with "held writable by [0-9]+/xvdc"
  check "what is left of that goes by xl block-detach" \
    try xl block-detach two xvdc
  check "two attaches it so, too" \
    try xl block-attach two "$(line xvdc "mode=w!,$images/both")"
  ask one 'has xvdc && echo "from one" | dd of=/dev/xvdc conv=sync oflag=direct'
  check "what one writes two reads" says \
    "$(ask two 'has xvdc && head -c 8 /dev/xvdc && echo')" "from one"
  for guest in one two; do xl block-detach $guest xvdc; done
}

# `two` runs no vbdd: nothing answers for its back end.
driver_domain() {
  flow driver domain
  config three "backend=two,$(line xvda $images/more)"
  try xl create /tmp/three.cfg
  check "xl create gives up after its 10 s: the driver domain has no back end" \
    failed_with "unable to add device with path /local/domain/[0-9]+/backend"
  check "no domain is left" is_not lives three
}

shutdown() {
  flow shutdown
  ask two 'mkfs.ext4 -q -F /dev/xvda && mount /dev/xvda /mnt && cp /bin/busybox /mnt'
  check "xl shutdown -w succeeds" try xl shutdown -w two
  check "the guest has powered off in order" \
    says "$(console two)" "JOB: an orderly poweroff"
  check "it has gone" wait_for 20 is_not lives two
  check "vbdd has let its target go" wait_for 5 is_not serves $images/two
  check "its file system is clean" e2fsck -f -n $images/two
}

reboot() {
  local before
  flow reboot
  before=$(xl domid one)
  ask one 'echo "before the reboot" >/mnt/file'
  check "xl reboot succeeds" try xl reboot one
  check "it becomes another domain" wait_for 30 is_another one "$before"
  xl unpause one # xl create -p makes it so at each reboot
  check "the guest boots again" booted one 2
  check "its file is there" says \
    "$(ask one 'mount /dev/xvda /mnt && cat /mnt/file')" "before the reboot"
}

# The same domain, with all its devices made anew; what a kernel does next is
# not looked at: xl create -p leaves it paused.
soft_reset() {
  flow soft reset
  ask one 'umount /mnt; modprobe xen-privcmd;
    (sleep 1; softreset) >/dev/console 2>&1 &'
  domid=$(xl domid one)
  check "the front end's directory is made anew" \
    wait_for 20 front_is one 51712 1
  check "and its back end waits for it" wait_for 10 back_is one 51712 2
  sleep 5
  xl list; xl block-list one; xenstore-ls -f | grep vbd; cat /var/log/xen/xl-one*.log
  check "it is the same domain, paused" eval \
    '[ $(xl domid one) = '"$domid"' ] && says "$(state_of one)" p'
  check "one vbd serves it, on one disk" equal \
    "$(vbdctl list | grep -c /xvda),$(vbdctl list | grep -c $images/one)" 1,1
}

destroy() {
  flow destroy
  check "xl destroy succeeds" try xl destroy one
  check "the guest has gone" is_not lives one
  check "vbdd has let its target go" wait_for 5 is_not serves $images/one
  check "nothing is left in XenStore" \
    is_not says "$(xenstore-ls -f /local/domain/0/backend)" frontend
}

is_another() { lives "$1" && [ "$(xl domid "$1")" != "$2" ]; } # than DOMID

prepare
create
bootloader
attach_and_detach
detach_while_mounted
shared_base
shared_writable
driver_domain
shutdown
reboot
soft_reset
destroy
check "vbdd ends cleanly" end_vbdd
finish
