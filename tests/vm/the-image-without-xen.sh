#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: the flush-correctness VM boots from an emulated disk and judges its
# paths, int13 and ATA: all is well with vbdd's NBD door, with the cases named
# that a machine without Xen cannot judge; and the right case fails where QEMU
# keeps writes in the host's page cache, and where vbdd has a bug.
# Source: COHERENCY.md C2, C3, C5, C7, C13; tests/vm/image.
# Mechanism: QEMU's pc and its BIOS. The VM asks over its serial line what is on
# the disk: a file, read with O_DIRECT. The engine "cache" above it is a disk
# with a volatile write cache, of which a power cut leaves the file. The ordinary
# stack is QEMU on a loop device, and what is behind it.
. "$top_srcdir/tests/vm/lib.sh" || exit 99
. "$top_srcdir/tests/vm/answers.sh"
needs "flush-vm.bin; configure found no compiler for 32 bits" \
    test -e "$top_builddir/flush-vm.bin"

disk=$work/disk.img device="" left="" plan=idle cases=all
can_suspend=no
domid=0 loop=
trap '[ -z "$loop" ] || losetup -d "$loop"; stop_all; rm -rf "$work"' EXIT

cat >"$work/worker" <<'END'
#!/bin/sh
VBDD_COHERENCY_BUG=$(cat "${0%/*}/bug") exec "$top_builddir/vbdd-disk-bugs" "$@"
END
chmod 755 "$work/worker"
echo none >"$work/bug"

# run_on DRIVE: what the VM says is in $work/tap
run_on() {
    rm -f "$work"/serial.*
    mkfifo "$work/serial.in" "$work/serial.out"
    exec 3<>"$work/serial.in" 4<>"$work/serial.out"
    machine "$1" -m 64 -serial "pipe:$work/serial"
    listen >"$work/tap"
    wait "$qemu_pid"
}
listen() {
    local line
    while IFS= read -t 60 -r line <&4; do
        line=${line%$'\r'}
        case $line in
        ask:*" again") line=${line#ask: }
            echo "${line%% *} no" >&3 ;;
        ask:*) line=${line#ask: }
            echo "${line%% *} $(answer "${line#* }")" >&3
            [ "${line#* }" != "done" ] || return ;;
        *) echo "$line" ;;
        esac
    done
}

# What an earlier guest has said is none of the next one's.
next_guest() {
    domid=$((domid + 1))
    : >"$work/tap"
}

# on_vbdd ENGINE: a disk of 1445 MiB, so that it has sector 2958215
on_vbdd() {
    next_guest
    rm -f "$disk"
    truncate -s 1445M "$disk"
    dd if="$top_builddir/flush-vm.bin" of="$disk" conv=notrunc status=none
    ctl attach --domid $domid --vdev hda --target "$disk" --engine "$1" &&
        run_on "$(ctl nbd $domid)"
    ctl detach --domid $domid --vdev hda >>"$work/detach.log" 2>&1
}

# kept SENTENCE; broken SENTENCE: as the VM has judged
kept() { check "$1" grep -q "^ok [0-9]* - $1 \[[^]]*\]$" "$work/tap"; }
broken() { check "$2: not so: $1" grep -q "^not ok [0-9]* - $1 \[" "$work/tap"; }
skipped() { check "no Xen: $1" grep -q "^ok .* - $1 .*SKIP there is no Xen" "$work/tap"; }
only_broken() { # WHERE SENTENCE...
    local where=$1
    shift
    check "$where: nothing else is broken" \
        test "$(grep -c '^not ok' "$work/tap")" = $#
    for sentence; do broken "$sentence" "$where"; done
    grep -B 1 '^not ok' "$work/tap" | sed 's/^/# /'
}
came_to_its_end() {
    check "$1: the VM comes to its end" grep -q '^1\.\.' "$work/tap"
    grep '^# .*judged$' "$work/tap" | sed "s/^#/# $1:/"
}

start_platform --worker "$work/worker" || bail "the platform did not start"

device=$disk
on_vbdd aio
came_to_its_end "vbdd"
only_broken "vbdd"
for path in int13 "ATA PIO" "ATA DMA"; do
    kept "$path's write is on the device when it is answered"
done
kept "int13's write is seen by ATA PIO at once"
kept "ATA PIO's write is seen by int13 at once"
kept "ATA DMA's write is seen by ATA PIO at once"
kept "int13 is refused a write beyond the end"
kept "ATA DMA is refused a write beyond the end"
kept "ATA PIO writes a sector and leaves those beside it"
skipped "int13's write is seen by PV at once"
skipped "PV's FLUSH covers int13's write"

device='' left=$disk
on_vbdd cache/aio
came_to_its_end "vbdd with a write cache"
only_broken "vbdd with a write cache"
check "what nobody flushes is lost in a power cut" \
    grep -q "int13 writes and nobody flushes: in a power cut that is lost" \
    "$work/tap"
kept "an ATA FLUSH covers int13's write"
kept "an ATA FLUSH covers ATA DMA's write"
kept "ATA DMA's write is durable while the write cache is off"

echo ignore-fua >"$work/bug"
on_vbdd cache/aio
came_to_its_end "ignore-fua"
only_broken "ignore-fua" \
    "ATA DMA's write is durable while the write cache is off"

# On blocks of 4096 bytes: the disk is in the worker's memory, so the image comes
# by a ring.
on_blocks() {
    next_guest
    ctl attach --domid $domid --vdev hda --target "$disk" \
        --engine mem:size=64M,block=4K &&
        front --domid $domid --vdev hda write 0 <"$top_builddir/flush-vm.bin" &&
        run_on "$(ctl nbd $domid)"
    ctl detach --domid $domid --vdev hda >>"$work/detach.log" 2>&1
}
device='' left=''
echo none >"$work/bug"
on_blocks
came_to_its_end "blocks of 4096 bytes"
only_broken "blocks of 4096 bytes"
for bug in wrong-merge stale-edge; do
    echo $bug >"$work/bug"
    on_blocks
    broken "ATA DMA writes sectors and leaves those beside them" $bug
done

if loop=$(losetup -f --show "$disk" 2>/dev/null); then
    device=$disk left=''
    run_on "$loop"
    came_to_its_end "page cache"
    only_broken "page cache" \
        "int13's write is on the device when it is answered" \
        "ATA PIO's write is on the device when it is answered" \
        "ATA DMA's write is on the device when it is answered"
else
    skip "QEMU's page cache is found out" "a free loop device"
fi
finish
