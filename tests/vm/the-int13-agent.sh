#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the int13 agent does what tools/int13/agent.h says: its sectors are
# read and written by the BIOS alone, no write or read flushes anything, FLUSH
# is one ATA FLUSH CACHE, torn sectors and the BIOS's and the disk's errors are
# told, and what is no command does no harm.
# Source: tools/int13/agent.h.
# Mechanism: QEMU's pc with a plain file as its IDE disk; its own record of the
# ATA commands it was given; blkdebug for a flush that fails.
. "$top_srcdir/tests/vm/lib.sh" || exit 99

disk=$work/disk.img last=4095
truncate -s 2M "$disk"
agent_into "$disk"
boot "$disk" -D "$work/ata.log" -trace ide_exec_cmd || bail "no agent"

says() { # SENTENCE LINE COMMAND...
    local sentence=$1 line=$2
    shift 2
    check "$sentence" test "$("$@" 2>&1)" = "$line"
}
on_disk() { dd if="$disk" skip="$1" count=1 status=none | int13ctl look; }
flushes() { grep -c 'cmd 0xe7' "$work/ata.log"; }
raw() { # BYTES ANSWER-BYTES: past int13ctl; in hexadecimal
    perl -MIO::Socket::UNIX -e '
        $agent = IO::Socket::UNIX->new($ARGV[0]) or die "$!";
        $agent->syswrite(pack("H*", $ARGV[1]));
        $agent->read($answer, $ARGV[2]);
        print unpack("H*", $answer)' "$work/serial" "$@"
}

says "the BIOS sees the disk's size" "sectors $((last + 1))" agent info
says "the mailbox was written before hello" \
    "sector 63 writer 13 sequence 1" agent mailbox
says "a sector that was never written is zeros" "zeros" agent read 64
check "a sector is written" agent write 100 7
says "it reads back" "sector 100 writer 13 sequence 7" agent read 100
says "it is on the disk" "sector 100 writer 13 sequence 7" on_disk 100
check "sixteen sectors are written, up to the last" agent write 4080 8 16
says "the last one reads back" "sector $last writer 13 sequence 8" \
    agent read $last
agent read 4080 16 >"$work/read"
int13ctl fill 4080 8 16 | int13ctl look >"$work/wanted"
check "all sixteen read back" cmp "$work/read" "$work/wanted"
check "127 sectors are loaded at once" agent load 64 127
check "and stored at once" agent store 1000 127
check "nothing of that flushed the disk" test "$(flushes)" = 0
check "FLUSH succeeds" agent flush
check "it was one ATA FLUSH CACHE" test "$(flushes)" = 1
check "the BIOS still reads after it" agent read 100

(int13ctl fill 200 1 | head -c 480; int13ctl fill 200 2 | head -c 32) |
    dd of="$disk" seek=200 conv=notrunc status=none
(int13ctl fill 201 1; head -c 512 /dev/urandom) |
    dd of="$disk" seek=201 conv=notrunc status=none
says "a sector with another last stamp is torn, its neighbour is not" \
    "$(echo torn; echo sector 201 writer 1 sequence 1 | sed 's/r 1 /r 13 /')" \
    agent read 200 2
says "what is no stamp is foreign" "foreign" agent read 202

refuses "a read behind the end is refused by the BIOS" "told error" \
    agent read $((last + 1))
refuses "a write behind the end too" "told error" agent write $((last + 1)) 1
refuses "int13ctl asks for no 17 sectors" "COUNT is \"17\", expected a number from 1 to 16" \
    agent read 0 17
says "an unknown command is refused, with its tag" 5a01cdab00000000 \
    raw 5a01cdab000000000000000000000000 8
says "a READ of no sectors is refused" 5201010000000000 \
    raw 52000100000000000000000000000000 8
says "a READ of 17 too" 5201020000000000 \
    raw 52110200000000000000000000000000 8
says "a LOAD of 128 too" 4c01030000000000 \
    raw 4c800300000000000000000000000000 8
says "a FLUSH takes no count" 4600040000000000 \
    raw 46000400000000000000000000000000 8
says "and the agent is well" "sector 100 writer 13 sequence 7" agent read 100
check "QUIT powers the machine off" power_off

cat >"$work/blkdebug.conf" <<'EOF'
[inject-error]
event = "flush_to_disk"
iotype = "flush"
errno = "5"
EOF
boot "blkdebug:$work/blkdebug.conf:$disk" || bail "no agent"
check "a write to a disk that cannot flush succeeds" agent write 300 1
refuses "its FLUSH fails, and the guest is told" "told error" agent flush
check "the agent goes on" agent read 300
finish
