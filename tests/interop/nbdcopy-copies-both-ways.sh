#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: what nbdcopy puts on a disk, over one connection or several, is what
# the ring reads and what lies in the target, byte for byte; what it fetches is
# that, too; holes stay holes and flushes are a handover's.
# Source: C2, C3, C11; NBD's proto.md ("NBD_FLAG_CAN_MULTI_CONN").
# Mechanism: nbdcopy with random and sparse images of 64 MiB.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs nbdcopy
start_platform || bail "the platform did not start"

random "$work/random" 64M
truncate -s 64M "$work/sparse" "$work/a.img" "$work/b.img"
dd if="$work/random" of="$work/sparse" bs=64K seek=100 count=3 conv=notrunc \
    status=none
disk 2 "$work/b.img"
other=$uri
disk 1 "$work/a.img"

# OPTION...: what nbdcopy fetches is what is there.
copied_out() { nbdcopy "$@" "$uri" "$work/out" && cmp "$work/out" "$target"; }
uses_connections() { # N COMMAND...
    local before
    before=$(shown accepted)
    "${@:2}" && shows "accepted +$((before + $1))"
}
kib() { du -k "$target" | cut -f 1; }

check "64 MiB go in" nbdcopy "$work/random" "$uri"
check "both paths see them" both_see "$work/random"
check "nbdcopy fetches them" copied_out
check "over four connections, too" \
    uses_connections 4 copied_out --threads=4 --connections=4
check "and over one, one request at a time" \
    uses_connections 1 copied_out --connections=1 --requests=1
check "by whatever is no multiple of a block" \
    copied_out --request-size=8192 --requests=64
check "with 32 MiB in a request" copied_out --request-size=33554432
check "synchronously" copied_out --synchronous
check "over a pipe" eval 'nbdcopy "$uri" - | cmp - "$work/random"'

check "zeros of a sparse image become holes" nbdcopy "$work/sparse" "$uri"
check "both paths see it" both_see "$work/sparse"
check "the target has just its data" test "$(kib)" -le 256
check "what is written as data is data" \
    nbdcopy --allocated --sparse=0 "$work/sparse" "$uri"
check "both paths see the same" both_see "$work/sparse"
check "the target has all of its blocks" test "$(kib)" -ge 65536

fallocate -p -l 64M "$target"
check "a destination that is known to be zero" \
    nbdcopy --destination-is-zero "$work/sparse" "$uri"
check "gets the data" both_see "$work/sparse"
check "and nothing but the data" test "$(kib)" -le 256

check "the ring has other plans" ring copy in "$work/random"
check "nbdcopy fetches what the ring wrote" copied_out
check "disk to disk, over four connections each" \
    nbdcopy --threads=4 --connections=4 "$uri" "$other"
is_copied() { cmp "$work/random" "$work/b.img"; }
check "the other disk has it all" is_copied

before=$(shown handovers)
has_handed_over() { [ "$(shown handovers)" -gt "$before" ]; }
check "nbdcopy can flush at its end" nbdcopy --flush "$work/sparse" "$uri"
check "somebody who has flushed it all has handed over" \
    wait_for has_handed_over
check "nobody was lost" test "$(shown lost)" = 0
random "$work/large" 65M
refuses "what does not fit is refused" "smaller than source" \
    nbdcopy "$work/large" "$uri"
check "and nothing of it is there" both_see "$work/sparse"
finish
