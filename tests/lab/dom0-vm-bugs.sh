#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: the flush-correctness VM on vbdd with one bug after the other.
set -u
. /lab/checks.sh
export top_builddir=/lab/vm
PATH=/lab/vm:$PATH

# One sector of the disk below is 4096 bytes.
blocks=$(losetup -f --show -b 4096 --direct-io=on /dev/vda)
slow=delay:read=20ms,write=20ms/aio

# bug NAME GROUPS ENGINE TARGET SENTENCE: with the bug the VM finds that broken
bug() {
  flow "bug $1"
  echo "$1" > /lab/bug
  try /lab/vm/run --tap /tmp/tap --cases "$2" --engine "$3" vbdd "$4"
  check "$1: not so: $5" grep -q "^not ok [0-9]* - $5 \[" /tmp/tap
}

start_vbdd --worker /lab/worker
bug ignore-fua durable cache/aio /dev/vda \
  "ATA DMA's write is durable while the write cache is off"
bug flush-per-client durable cache/aio /dev/vda \
  "PV's FLUSH covers ATA DMA's write"
bug join-running-flush durable cache/delay:flush=500ms/aio /dev/vda \
  "PV's FLUSH does not join an ATA FLUSH that was running"
bug barrier-not-durable durable cache/aio /dev/vda \
  "PV's BARRIER covers ATA DMA's write and its own data"
order="PV's BARRIER comes after what was before it, and before the rest"
bug barrier-no-drain durable delay:read=100ms/cache/aio "$blocks" "$order"
bug barrier-no-gate durable cache/delay:flush=500ms/aio /dev/vda "$order"
bug wrong-merge paths aio "$blocks" \
  "PV writes a sector and leaves those that ATA DMA wrote beside it"
bug stale-edge paths aio "$blocks" \
  "ATA DMA writes a sector and leaves those that PV wrote beside it"
both="ATA DMA and PV write sectors of one block at once, and both stay"
bug early-release at-once $slow "$blocks" "$both"
bug edge-unlocked at-once $slow "$blocks" "$both"
bug edge-read-early at-once $slow "$blocks" "$both"
end_vbdd
finish
