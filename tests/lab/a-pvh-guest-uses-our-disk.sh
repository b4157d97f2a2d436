#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: on a real Xen, a PVH Linux guest with an ordinary xl disk line
# (backendtype=phy, script=block-vbdd) makes, mounts and checks a file system
# on a disk of ours; Linux's blkfront sees flush; `xl save -c` while it writes
# finds its writes on the disk, and the guest goes on; fstrim works; e2fsck in
# dom0 is clean and what the guest stamped is there; and nothing is left when the
# guest is gone.
# Source: ARCHITECTURE.md, blkif.h feature-flush-cache.
# Mechanism: tests/lab boots Xen 4.17 under emulation; dom0 runs this build.
. "$top_srcdir/tests/lab/lib.sh"
prepare() {
    rm -f "$disk"
    truncate -s 64M "$disk"
}
run_lab_kept prepare -- --timeout 600 \
    --copy "$lab/stamps:/bin/stamps" --guest-copy "$lab/stamps:/bin/stamps" \
    --guest-copy "$lab/guest-job.sh:/job" "$lab/dom0-pvh.sh"

says "xl create succeeds with an ordinary disk line" "LAB: created"
says "Linux's blkfront sees flush" \
     "JOB: blkfront: xvda: (flush diskcache|barrier or flush): enabled"
says "the guest's data reads back after a remount" "JOB: data reads back"
says "the worker has event channels of this one domain only" \
     "LAB: event channel handles of the worker: 1"
says "the kernel has restricted them to it" \
     "LAB: event channels are restricted"
says "the guest is saved by xl save -c" "LAB: saved, and it runs on"
says "its disk was paused, and everything flushed" \
     "VBDDLOG: vbdd: [0-9]+/xvda: paused, with its writes on the disk"
says "and resumed" "VBDDLOG: vbdd: [0-9]+/xvda: resumed"
says "it writes through that" "JOB: has written through the checkpoint"
says "fstrim has something to trim" "JOB: fstrim /mnt: [1-9][0-9]+ b"
says "the guest's job succeeds" "GUEST: exit 0"
says "e2fsck in dom0 finds the file system clean" "LAB: e2fsck clean"
says "and every stamp where the guest wrote it" "LAB: the target has its stamps"
says "the disk is detached when the guest is gone" \
     "LAB: disks after the guest is gone: 0"
says "vbdd ends cleanly" "LAB: vbdd ended with 0"
finish
