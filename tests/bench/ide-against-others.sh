#!/bin/bash
# SPDX-License-Identifier: MIT
# How fast a Linux guest's IDE disk is in QEMU on a disk's NBD socket, beside
# other servers of the same file (lib.sh says which, and how they are compared).
# The loads are O_DIRECT and one at a time: IDE has no queue.
#
#   make bench-nbd
#   ACCEL=kvm IDE_LOADS=read-128k-4000 make bench-nbd    # RW-SIZE-REQUESTS
. "$top_srcdir/tests/bench/lib.sh" || exit 99
needs qemu-system-x86_64 cpio
. "$top_srcdir/tests/lab/initrd.sh"
find_kernel || { echo "1..0 # SKIP needs linux-image-amd64"; exit 0; }
PATH=$PATH:/sbin:/usr/sbin
loads=${IDE_LOADS:-read-128k-1000 write-4k-2000 write-128k-1000 read-4k-2000}

# Does what it is told on its console: dd, with QEMU's IDE below.
make_initrd() {
    put_busybox "$work/initrd"
    put_modules "$work/initrd" ata_piix sd_mod
    cat >"$work/initrd/init" <<'END'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in ata_piix sd_mod; do modprobe $module; done
until [ -b /dev/sda ]; do sleep 0.1; done
stty -echo
echo guest: ready
while read -r rw bs count; do
    case $rw in
    read) dd if=/dev/sda of=/dev/null bs=$bs count=$count iflag=direct ;;
    write) dd if=/dev/zero of=/dev/sda bs=$bs count=$count oflag=direct ;;
    esac 2>/tmp/dd
    echo "guest: $? $(tail -n 1 /tmp/dd)"
done
END
    chmod +x "$work/initrd/init"
    pack "$work/initrd" "$work/initrd.gz"
}
# The guest's next word, 60 s at most.
hear() {
    local line
    while IFS= read -r -t 60 -u "${ears[$1]}" line; do
        case $line in guest:*) echo "${line#guest: }"; return ;; esac
    done
    echo "the guest on $1 is silent"
    return 1
}
declare -A ears mouths
boot() { # SERVER
    local name=$1
    mkfifo "$work/$name.in" "$work/$name.out"
    qemu-system-x86_64 -M pc -accel "${ACCEL:-tcg}" -m 192 -nodefaults \
        -display none -no-reboot -kernel "$kernel" -initrd "$work/initrd.gz" \
        -append "console=ttyS0 quiet panic=-1" -serial "pipe:$work/$name" \
        -drive "file=${uris[$name]},if=ide,index=0,media=disk,format=raw,cache=writeback" \
        >"$work/$name-qemu.log" 2>&1 </dev/null &
    pids+=($!)
    exec {mouth}<>"$work/$name.in" {ear}<>"$work/$name.out"
    mouths[$name]=$mouth ears[$name]=$ear
    hear "$name" >"$work/ready" || bail "$(cat "$work/ready")"
}
turn() { # SERVER LOAD
    local rw bs count begin end said
    IFS=- read -r rw bs count <<<"$2"
    begin=${EPOCHREALTIME/./}
    echo "$rw $bs $count" >&"${mouths[$1]}"
    said=$(hear "$1")
    end=${EPOCHREALTIME/./}
    [[ $said == 0* ]] || { echo "$said"; return 1; }
    echo "$((count * 1000000 / (end - begin))) $count"
}

make_initrd
start_servers
for server in "${servers[@]}"; do boot "$server"; done
note "medians of $rounds rounds; CPU of the server for a request of the guest"
# shellcheck disable=SC2086
all_rounds turn $loads
