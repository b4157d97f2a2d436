#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: a client gets the error that the protocol has for what he did wrong,
# and none for what others did; nothing of a refused request is done and his
# connection serves on; answers come as they are ready; every way to negotiate
# and to leave works, and is told apart.
# Source: NBD's proto.md ("Error values", "Request types", "Option types",
# "Structured reply chunk types", "Terminating the transmission phase"); C3, C9,
# C11, C13.
# Mechanism: nbdsh with libnbd's own checks off, on disks with slow writes,
# broken blocks, and a read-only one.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs nbdsh
start_platform || bail "the platform did not start"

for name in disk slow broken; do truncate -s 64M "$work/$name.img"; done
random "$work/read-only.img" 64M
disk 2 "$work/slow.img" --engine delay:write=2s/aio
export slow=$uri
disk 3 "$work/broken.img" \
    --engine "error:read=EIO,range=4M+4K/error:write=EIO,range=4M+4K/aio"
export broken=$uri
disk 4 "$work/read-only.img" --mode r
cp "$work/read-only.img" "$work/unchanged"
export read_only=$uri
check "the read-only one is as it was" both_see "$work/unchanged"
disk 1 "$work/disk.img"

from_nbdsh "$top_srcdir/tests/interop/requests.py"
same() { ring copy out "$work/seen" && is_stored "$work/seen"; }
check "the ring and the target see one disk after all that" same
from_nbdsh "$top_srcdir/tests/interop/negotiation.py"
shows 'emulated_clients +0'
from_nbdsh "$top_srcdir/tests/interop/crowd.py"
check "they still do" same

# --- how one leaves ---------------------------------------------------------
# counts WHAT SENTENCE SCRIPT: one more of WHAT after SCRIPT
counts() {
    local before
    before=$(shown "$1")
    nbdsh -u "$uri" -c "$3" >"$work/nbdsh.out" 2>&1 || [ "$1" = lost ] ||
        fail "nbdsh failed: $(cat "$work/nbdsh.out")"
    check "$2" shows "$1 +$((before + 1))"
}
same_number() { test "$(shown "$1")" = "$2"; }
shows 'emulated_clients +0'
counts handovers "flush and goodbye hand over" \
    'h.pwrite(b"x", 0); h.flush(); h.shutdown()'
handovers=$(shown handovers) lost=$(shown lost)
counts accepted "goodbye alone" 'h.pwrite(b"x", 0); h.shutdown()'
counts accepted "a write after the flush" \
    'h.flush(); h.pwrite(b"x", 0); h.shutdown()'
shows 'emulated_clients +0'
check "do not" same_number handovers "$handovers"
check "and nobody was lost" same_number lost "$lost"
counts lost "who dies is lost" \
    'import os; h.pwrite(b"x", 0); h.flush(); os.kill(os.getpid(), 9)'
check "the ring and the target see one disk at the end" same
check "the read-only one has not changed" cmp "$work/read-only.img" \
    "$work/unchanged"
finish
