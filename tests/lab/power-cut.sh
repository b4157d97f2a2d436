#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: wherever the power is cut, what a Linux guest had been told is durable
# is there, whichever path it had written and flushed it by: two rings, or a
# ring and an emulated IDE disk. Its ext4 needs its journal and no repair, and
# each file is whole whose fsync had returned. A worker whose flushes cover
# their own path alone is found out.
# Source: C3, C5, C7.
# Mechanism: dm-log-writes under vbdd's target in dom0; at every flush in its
# log, and with any part of what was written then, the host looks at what was
# there (tests/crash).
. "$top_srcdir/tests/lab/lib.sh"
if [ -z "$(command -v dmsetup)" ] || [ -z "$(command -v debugfs)" ]; then
    echo "1..0 # SKIP needs the packages dmsetup e2fsprogs"
    exit 0
fi
crash=$top_srcdir/tests/crash
built=$top_builddir/tests/crash
export PATH=$top_builddir:$PATH # vbdverify
work=$(mktemp -d "${VBDD_TEST_DIR:-/var/tmp}/vbdd-cuts.XXXXXX")
trap 'rm -rf "$disk" "$log" "$tree" "$work"' EXIT
mkdir -p "$tree/lab"
cat >"$tree/lab/worker" <<'END'
#!/bin/sh
VBDD_COHERENCY_BUG=flush-per-client exec /lab/vbdd-disk-bugs "$@"
END
chmod 755 "$tree/lab/worker"

prepare() {
    rm -f "$disk" "$work"/*.disk
    truncate -s 328M "$disk" "$work/bug.disk" "$work/ide.disk"
}
run_lab_led prepare -- --hvm --timeout 900 \
    --disk "$work/bug.disk" --disk "$work/ide.disk" \
    --copy "$(command -v dmsetup):/sbin/dmsetup" \
    --copy "$top_builddir/vbdd-disk-bugs:/lab/vbdd-disk-bugs" \
    --guest-copy "$built/vbdverify-raw:/bin/vbdverify-raw" \
    --guest-copy "$crash/layout.sh:/bin/layout.sh" \
    --guest-copy "$crash/power-load:/bin/power-load" "$lab/dom0-cuts.sh"
claims 15

# part FILE FIRST-MIB MIB
part() { dd if="$1" bs=1M skip="$2" count="$3" conv=sparse status=none; }
# replay FOLDER SEED
replay() {
    rm -f "$1/copy"
    truncate -s 64M "$1/copy"
    VBDD_TEST_SEED=$2 "$built/logreplay" "$1/log" "$1/copy" \
        "$crash/judge-linux" "$1" 2>&1
    cmp "$1/copy" "$1/target" && echo "the log is whole"
}
# cuts NAME DISK SEED...: judges all of them; what it says is in the log
cuts() {
    local folder=$work/$1 seed
    mkdir "$folder"
    part "$2" 0 64 >"$folder/target"
    part "$2" 64 256 >"$folder/log"
    part "$2" 320 8 | tr -d '\0' >"$folder/history"
    [ -s "$folder/history" ] || echo "# $1: the guest has left no history"
    for seed in "${@:3}"; do replay "$folder" "$seed"; done |
        sed "s/^/$1: /" | tee -a "$log" | sed 's/^/# /'
    rm -rf "$folder"
}
seed=${VBDD_TEST_SEED:-1}
cuts rings "$disk" "$seed"
cuts ide "$work/ide.disk" "$seed"
cuts bug "$work/bug.disk" 1 2 3

for name in rings ide bug; do
    says "$name: the log has all that reached the disk" \
        "^$name: the log is whole"
done
for name in rings ide; do
    says "$name: at 100 flushes or more nothing is lost, torn or broken" \
        "^$name: LOGREPLAY: [1-9][0-9]{2,} flushes, .*, 0 violations"
done
says "a flush that covers its own path alone is found out" \
    "^bug: LOGREPLAY: .*, [1-9][0-9]* violations"
finish
