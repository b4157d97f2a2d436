#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the same qemu-io commands leave the same bytes on a disk as in a plain
# file: at odd offsets and lengths, across blocks, zeroed, discarded, written
# through, up to 32 MiB, one by one and many at a time; FUA and FLUSH reach the
# target as durable writes and flushes.
# Source: C3, C5, C7, C10, C13.
# Mechanism: qemu-io on both, in direct mode, where QEMU caches nothing; a log
# engine for what reaches the target.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs qemu-io
start_platform || bail "the platform did not start"

random "$work/disk.img" 64M
cp "$work/disk.img" "$work/file"
disk 1 "$work/disk.img" --engine "log:file='$work/journal'/aio"

# The commands on standard input, one a line.
io() { # IMAGE OPTION...
    qemu-io "${@:2}" -f raw "$1" >"$work/io.out" 2>&1
    cat "$work/io.out"
    ! grep -Eiq 'fail|error|invalid|not found|expected|denied' "$work/io.out"
}
on_both() {
    cat >"$work/commands"
    io "$uri" -n <"$work/commands" && io "$work/file" <"$work/commands"
}
# SENTENCE <<COMMANDS: both paths to the disk then see what is in the file.
same() {
    check "$1" on_both
    check "$1: both paths see it" both_see "$work/file"
}
both() { check "$1" on_both; }

same "whole blocks" <<'END'
write -P 0x11 0 4096
write -P 0x12 8192 64k
write -P 0x13 1M 1M
read -P 0x11 0 4096
read -P 0x12 8192 64k
read -P 0x13 1M 1M
END
same "odd pieces" <<'END'
write -P 0x21 5 3
write -P 0x22 4095 2
write -P 0x23 8191 4098
write -P 0x24 20001 1
write -P 0x25 30000 100001
write -P 0x26 67108863 1
write -P 0x27 511 1
write -P 0x28 512 1
read -P 0x21 5 3
read -P 0x22 4095 2
read -P 0x23 8191 4098
read -P 0x24 20001 1
read -P 0x25 30000 100001
read -P 0x26 67108863 1
END
same "32 MiB at once, at an odd place" <<'END'
write -P 0x31 3M 32M
write -P 0x32 10000001 32M
read -P 0x32 10000001 32M
read -P 0x31 3M 1M
END
same "more than fits in a request" <<'END'
write -P 0x33 1 60M
read -P 0x33 1 60M
END
same "vectors" <<'END'
writev -P 0x41 40M 512 1k 4097 3
readv -P 0x41 40M 4k 1k 516
END
same "zeroes, with and without holes" <<'END'
write -P 0x51 20M 8M
write -z 21M 1M
write -z -u 23M 1M
write -z 25000001 12345
write -z -u 26000001 4000
read -P 0 21M 1M
read -P 0 23M 1M
read -P 0 25000001 12345
read -P 0 26000001 4000
read -P 0x51 27M 1M
END
same "discards of whole blocks" <<'END'
write -P 0x61 50M 4M
discard 51M 1M
read -P 0x61 50M 1M
read -P 0 51M 1M
END
same "many at a time" <<END
$(for i in {0..199}; do echo "aio_write -P $((i % 250 + 1)) $((i * 30001)) 30001"; done)
aio_flush
$(for i in {0..199}; do echo "aio_read -P $((i % 250 + 1)) $((i * 30001)) 30001"; done)
aio_flush
END
same "of all kinds" <<END
write -P 0x71 0 32M
$(for i in {0..49}; do
    echo "aio_write -P 0x72 $((i * 65536 + 1000)) 3000"
    echo "aio_write -z $((i * 65536 + 8192)) 8192"
    echo "aio_read -q $((i * 65536 + 30000)) 20000"
    ((i % 10)) || echo "aio_write -z -u $((i * 65536 + 20480)) 4096"
done)
aio_flush
read -P 0x72 1000 3000
read -P 0 8192 8192
read -P 0x71 30000 20000
END

# --- what is durable ------------------------------------------------------------
journal() { # of what has reached the target since then
    awk '$1 == "S" { print $4, $5, $6, $7 }' "$work/journal"
}
reached() { diff "$work/wanted" <(journal); }
quiet() { : >"$work/journal"; cat >"$work/wanted"; } # the log engine appends
quiet <<'END'
WRITE 4096 8192 FUA
FLUSH 0 0 -
END
both "a durable write, and what QEMU says at its end" \
    <<<'write -f -P 0x81 4096 8192'
check "reach the target as such" reached
quiet <<'END'
READ 0 512 -
WRITE 0 512 FUA
FLUSH 0 0 -
END
both "a durable write of three bytes" \
    <<<'write -f -P 0x82 5 3'
check "is durable in the target, too" reached
quiet <<'END'
WRITE 0 512 -
FLUSH 0 0 -
WRITE 1048576 512 -
FLUSH 0 0 -
END
both "a flush between two writes" <<'END'
write -P 0x83 0 512
flush
write -P 0x84 1M 512
END
check "is between them in the target" reached
check "both paths see all that" both_see "$work/file"

# --- what is wrong --------------------------------------------------------------
refuses "a write behind the end fails" "Input/output error" \
    io "$uri" -n <<<'write 64M 512'
check "detach" detach
disk 2 "$work/disk.img" --mode r
refuses "a read-only disk cannot be opened to write" "Permission denied" \
    io "$uri" <<<'write 0 512'
check "but to read" io "$uri" -r -n <<<'read -P 0x83 0 512'
finish
