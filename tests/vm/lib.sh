# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shell tests with a real machine in them: QEMU's pc, its BIOS (SeaBIOS) and
# its IDE controller, by software emulation, with the int13 agent as guest.
#
#   . "$top_srcdir/tests/vm/lib.sh"
#   agent_into disk.img           # tools/int13: boot sector and agent
#   boot disk.img                 # a file, or what libxl would write there
#   agent write 2958215 1; agent flush; agent read 2958215
#   power_off
. "$top_srcdir/tests/func/lib.sh" || exit 99

# needs WHAT COMMAND...: the whole test is skipped where the command fails.
needs() {
    local what=$1
    shift
    "$@" >/dev/null 2>&1 && return
    echo "1..0 # SKIP needs $what"
    exit 0
}
needs "qemu-system-x86_64 (Debian's qemu-system-x86, with seabios)" \
    command -v qemu-system-x86_64
needs "int13-agent.bin; configure found no assembler of 16-bit x86 code" \
    test -e "$top_builddir/int13-agent.bin"

agent_into() { dd if="$top_builddir/int13-agent.bin" of="$1" conv=notrunc status=none; }

# machine DRIVE OPTIONS...: with DRIVE as its IDE disk, in libxl's words; its
# time is nobody's but the guest's.
machine() {
    local drive=$1
    shift
    qemu-system-x86_64 -M pc -accel tcg -nodefaults -display none -no-reboot \
        -boot order=c,menu=off,strict=on -drive \
        "file=$drive,if=ide,index=0,media=disk,format=raw,cache=writeback" \
        "$@" >>"$work/qemu.log" 2>&1 </dev/null &
    qemu_pid=$!
    pids+=("$qemu_pid")
}

# boot DRIVE OPTIONS...: returns when the agent has said hello.
boot() {
    local drive=$1
    shift
    rm -f "$work/serial"
    machine "$drive" -m 32 -serial "unix:$work/serial,server=on,wait=on" "$@"
    agent hello
}

agent() { int13ctl --socket "$work/serial" "$@"; }

# The guest powers the machine off; QEMU has ended when this returns.
power_off() { agent quit && wait "$qemu_pid"; }
