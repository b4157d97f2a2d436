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
cat > /lab/bugs <<'END'
ignore-fua durable
flush-per-client durable
join-running-flush durable
barrier-not-durable durable
barrier-no-drain durable
barrier-no-gate durable
wrong-merge paths
stale-edge paths
early-release at-once
edge-unlocked at-once
edge-read-early at-once
END
echo none > /lab/bug

# round NUMBER: what the VM has said there
round() { awk -v n="$1" '/^# round /{r = $3} r == n' /tmp/tap; }
# bug NUMBER NAME SENTENCE: with the bug the VM finds that broken
bug() {
  round "$1" | grep -B 1 '^not ok' | sed "s/^/LAB: $2: /"
  check "$2: not so: $3" says "$(round "$1")" "^not ok [0-9]* - $3 \["
}

start_vbdd --worker /lab/worker
echo $vbdd > /lab/vbdd.pid
try /lab/vm/run --tap /tmp/tap --engine $engine --again /lab/next-bug \
  --cases "paths at-once durable" --timeout 380 vbdd "$blocks"
vbdd=$(cat /lab/vbdd.pid)

check "without a bug no promise is broken" equal "$(round 1 | grep '^not ok')" ""
check "and all is judged" says "$(round 1)" '^ok .*PV.s BARRIER covers'
order="PV's BARRIER comes after what was before it, and before the rest"
both="ATA DMA and PV write sectors of one block at once, and both stay"
bug 2 ignore-fua "ATA DMA's write is durable while the write cache is off"
bug 3 flush-per-client "PV's FLUSH covers ATA DMA's write"
bug 4 join-running-flush \
  "PV's FLUSH does not join an ATA FLUSH that was running"
bug 5 barrier-not-durable \
  "PV's BARRIER covers ATA DMA's write and its own data"
bug 6 barrier-no-drain "$order"
bug 7 barrier-no-gate "$order"
bug 8 wrong-merge "PV writes a sector and leaves those that ATA DMA wrote beside it"
bug 9 stale-edge "PV writes a sector and leaves those that ATA DMA wrote beside it"
bug 10 early-release "$both"
bug 11 edge-unlocked "$both"
bug 12 edge-read-early "$both"
kill "$vbdd"
wait_for 10 is_not vbdctl ping
finish
