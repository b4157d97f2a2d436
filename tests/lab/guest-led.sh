#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest does that is led from dom0 (`ask` of dom0-checks.sh): a line of
# its console is a number and a command; each line of the answer begins with
# the number. What goes on in the background writes to /dev/console.
for how in poweroff reboot; do # how the kernel answers xl shutdown and reboot
  cat > /sbin/$how <<END
#!/bin/sh
echo "JOB: an orderly $how" >/dev/console
umount /mnt
sync
/bin/$how -f
END
  chmod +x /sbin/$how
done
has() { # a disk: within 10 s
  for i in $(seq 50); do [ -b "/dev/$1" ] && return; sleep 0.2; done
  return 1
}
mkdir -p /mnt
stty -echo
echo "JOB: ready"
while read -r nr command; do
  { eval "$command" 2>&1 </dev/null; echo $? >/tmp/status; } |
    sed "s/^/$nr: /"
  echo "$nr end $(cat /tmp/status)"
done
