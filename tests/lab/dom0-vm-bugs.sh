#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: the flush-correctness VM on vbdd with one bug after the other. It is
# booted once: vbdd is stopped and started between them.
set -u
. /lab/checks.sh
export top_builddir=/lab/vm
PATH=/lab/vm:$PATH

# A sector of the disk below is 4096 bytes; what is not flushed is volatile; all
# of it takes its time.
blocks=$(losetup -f --show -b 4096 --direct-io=on /dev/vda)
engine=delay:read=20ms,write=20ms/cache/delay:flush=300ms/aio
order="PV's BARRIER comes after what was before it, and before the rest"
both="ATA DMA and PV write sectors of one block at once, and both stay"
beside="PV writes a sector and leaves those that ATA DMA wrote beside it"
# NAME GROUP/SENTENCE: what the VM then finds broken
cat > /lab/bugs <<END
flush-per-client durable/PV's FLUSH covers ATA DMA's write
join-running-flush durable/PV's FLUSH does not join an ATA FLUSH that was running
barrier-not-durable durable/PV's BARRIER covers ATA DMA's write and its own data
barrier-no-gate durable/$order
wrong-merge paths/$beside
stale-edge paths/ATA DMA writes a sector and leaves those that PV wrote beside it
early-release at-once/$both
edge-unlocked at-once/$both
edge-read-early at-once/$both
ignore-fua durable/ATA DMA's write is durable while the write cache is off
END
cp /lab/bugs /lab/list
echo "none paths at-once durable" >> /lab/bugs
read -r name first < /lab/bugs
sed -i 1d /lab/bugs
echo "$name" > /lab/bug

# round NUMBER: what the VM has said there
round() { awk -v n="$1" '/^# round /{r = $3} r == n' /tmp/tap; }
start_vbdd --worker /lab/worker
echo $vbdd > /lab/vbdd.pid
try /lab/vm/run --tap /tmp/tap --engine $engine --again /lab/next-bug \
  --cases "$first" --timeout 600 vbdd "$blocks"
vbdd=$(cat /lab/vbdd.pid)

nr=0
while read -r name sentence; do
  nr=$((nr + 1)) sentence=${sentence#*/}
  check "$name: not so: $sentence" \
    says "$(round $nr)" "^not ok [0-9]* - $sentence \["
  round $nr | grep -B 1 '^not ok' | sed "s/^/LAB: $name: /"
done < /lab/list
check "without a bug no promise is broken" \
  equal "$(round $((nr + 1)) | grep '^not ok')" ""
check "and all is judged" says "$(round $((nr + 1)))" "^ok .*PV's BARRIER covers [^#]*$"
kill "$vbdd"
wait_for 10 is_not vbdctl ping
finish
