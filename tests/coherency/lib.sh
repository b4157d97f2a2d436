# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# vbdverify and workers that die. Comes after tests/func/lib.sh or what stands
# on it; the platform is running.
#
#   attach_disk --engine cache/aio       # $disk, $ring, $nbd
#   verify 0 --ring "$ring" --ops 1000   # its words are in $work/said
#   cut_power

if ! command -v nbdinfo >/dev/null || ! has_libnbd; then
    echo "1..0 # SKIP needs libnbd (Debian's libnbd-dev and libnbd-bin)"
    exit 0
fi
disks=0

# attach_disk OPTIONS...: a new disk, zeros, of a new domain.
attach_disk() {
    disks=$((disks + 1))
    disk=$work/disk.$disks.img
    [ -e "$disk" ] || truncate -s 4M "$disk"
    ctl attach --domid $disks --vdev hda --target "$disk" \
        --option queues=2 "$@" || bail "attach failed"
    # shellcheck disable=SC2034
    ring=$local_dir:$disks:hda nbd=$(ctl nbd $disks/hda)
}

detach_disk() {
    ctl detach --domid $disks --vdev hda "$@" >>"$work/detach.log" 2>&1
    rm -f "$disk"
}

# verify STATUS OPTIONS...: vbdverify ends with it.
verify() {
    local wanted=$1 status=0
    shift
    vbdverify "$@" >"$work/said" 2>&1 || status=$?
    [ "$status" = "$wanted" ] && return
    cat "$work/said"
    return 1
}

# What the worker has not brought to its target is gone. Its front end is told
# at once, and need not find out.
cut_power() {
    kill -KILL "$(pgrep -P "$vbdd_pid" -f "$disk")" || return
    ctl detach --domid $disks --vdev hda --force >>"$work/detach.log" 2>&1
    return 0
}

# verify_until_cut SECONDS OPTIONS...: the power is cut in the midst of it.
verify_until_cut() {
    local verifier seconds=$1
    shift
    rm -f "$work/history"
    vbdverify --time 60 --timeout 1 --history "$work/history" "$@" \
        >"$work/said" 2>&1 &
    verifier=$!
    wait_for test -s "$work/history"
    sleep "$seconds"
    cut_power
    wait "$verifier"
    [ $? = 3 ]
}

explanation() { grep -m 1 '^C[0-9]*: ' "$work/said"; }
show() { sed 's/^/# /' "$work/said"; }
