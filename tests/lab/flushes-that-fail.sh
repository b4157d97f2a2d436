#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: no fsync of a Linux guest succeeds whose data is not durable. While the
# device below fails each flush, fsync waits; when it recovers, fsync succeeds;
# when it goes on failing, the disk fail-stops, reads fail, and fsync never
# comes back. Linux does not switch flushes off, and later ones reach the
# device. 50 fsyncs over 10 attaches. A worker that calls a failed flush a
# success is seen to lie.
# Source: C8; FLUSH.md, "When a flush fails".
# Mechanism: dm-flakey fails a part of vbdd's target in which nobody writes;
# what is durable is read from the device below.
. "$top_srcdir/tests/lab/lib.sh"
if [ -z "$(command -v dmsetup)" ]; then
    echo "1..0 # SKIP needs the package dmsetup"
    exit 0
fi
worker=$tree/lab/worker
mkdir -p "$tree/lab"
cat >"$worker" <<'END'
#!/bin/sh
VBDD_COHERENCY_BUG=flush-failure-ignored exec /lab/vbdd-disk-bugs "$@"
END
chmod 755 "$worker"
rounds 5 10
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
run_lab_led prepare -- --timeout 900 \
    --copy "$(command -v dmsetup):/sbin/dmsetup" \
    --copy "$top_builddir/vbdd-disk-bugs:/lab/vbdd-disk-bugs" \
    --guest-copy "$lab/guest-fsync:/bin/fsync-file" \
    "$lab/dom0-flush-failure.sh"
claims $((10 + 24 * $(cat "$tree/lab/rounds")))
finish
