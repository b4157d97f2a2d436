#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: nbdinfo is told a disk's size, flags, block sizes and export as they
# are, also of a read-only one and after a resize; its map of data and holes is
# that of the file, however many there are, and follows what clients do.
# Source: NBD's proto.md ("Transmission flags", "Block size constraints",
# "Metadata querying"); C9, C13, C14.
# Mechanism: nbdinfo, and qemu-img map on the file itself.
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs nbdinfo nbdsh qemu-img
start_platform || bail "the platform did not start"

says() { nbdinfo --json "$uri" | grep -Eq "\"$1\": $2,?\$"; }
# The map as START LENGTH data|hole.
map_of_disk() {
    nbdinfo --map "$uri" | awk '{ print $1, $2, $3 == 0 ? "data" : "hole" }'
}
map_of_file() {
    qemu-img map --output=json --image-opts "$(unlocked raw)" | sed -En '
        s/.*"start": ([0-9]+), "length": ([0-9]+), .*"data": true.*/\1 \2 data/p
        s/.*"start": ([0-9]+), "length": ([0-9]+), .*"data": false.*/\1 \2 hole/p'
}
same_map() {
    map_of_disk >"$work/map"
    map_of_file >"$work/map.file"
    diff "$work/map.file" "$work/map"
}
has_extents() { [ "$(map_of_disk | wc -l)" = "$1" ]; }

truncate -s 64M "$work/disk.img"
for ((i = 0; i < 100; i++)); do
    dd if=/dev/zero of="$work/disk.img" bs=64K seek=$((1 + 2 * i)) count=1 \
        conv=notrunc,fsync status=none
done
disk 1 "$work/disk.img"

check "the size" test "$(nbdinfo --size "$uri")" = 67108864
check "what is said at once is JSON" eval \
    'nbdinfo --json "$uri" | nbdsh -c "import json, sys; json.load(sys.stdin)"'
for flag in can_cache can_df can_fast_zero can_flush can_fua can_multi_conn \
            can_trim can_zero; do
    check "$flag" says $flag true
done
check "it is not read-only" says is_read_only false
check "requests may begin and end at any byte (C13)" \
    says block_size_minimum 1
check "those of 4096 bytes are preferred" says block_size_preferred 4096
check "they may be up to 32 MiB" says block_size_maximum 33554432
check "the protocol is as it should be" \
    says protocol '"newstyle-fixed"'
check "with structured replies" says structured true
check "there is one context" \
    eval 'test "$(nbdinfo --json "$uri" | grep -c base:)" = 1'
check "there is one export, and it is listed" \
    eval 'test "$(nbdinfo --list "$uri" | grep -c ^export=\"\":)" = 1'
check "who only asks is not logged as at fault" \
    eval '! grep "hung up" "$work/vbdd.log"'
check "nbdinfo can ask in scripts" nbdinfo --can multi-conn "$uri"

# --- the map ------------------------------------------------------------------
check "200 extents and a hole are the file's, however many answers they take" \
    same_map
check "and as many" has_extents 201
check "their sums are the file's blocks" eval 'nbdinfo --map --totals "$uri" |
    grep -Eq "^ *6553600 .* data\$"'
check "the disk is zeroed" nbdsh -u "$uri" -c 'h.zero(h.get_size(), 0)'
check "then all is one hole" has_extents 1
check "that is the file's, too" same_map
check "one byte is written" nbdsh -u "$uri" -c 'h.pwrite(b"1", 10000000)'
check "then there is data in the midst of it" same_map
check "in three extents" has_extents 3
check "a hole is made by the ring" ring discard 0 131072
check "the map knows" has_extents 1

# --- another size ---------------------------------------------------------------
cat >"$work/resize.py" <<'PY'
h = connect()

@test("who is connected sees the size that he was told")
def _():
    assert vbdctl("resize", "1/hda")
    assert h.get_size() == 64 << 20
    fails("ENOSPC", h.pwrite, b"new", 64 << 20)

@test("who comes now sees the new one")
def _():
    assert connect().get_size() == 65 << 20

@test("and may write there")
def _():
    connect().pwrite(b"N" * 512, (65 << 20) - 512)
PY
truncate -s 65M "$work/disk.img"
from_nbdsh "$work/resize.py"
filled "$work/new" 512 N
last_sector() { ring read $((65 * 2048 - 1)) 1 | cmp - "$work/new"; }
check "the ring reads what was written there" last_sector
check "the map is that of the larger file" same_map
check "detach" detach

# --- read-only --------------------------------------------------------------------
disk 2 "$work/disk.img" --mode r
check "a read-only disk says so" nbdinfo --is read-only "$uri"
for flag in can_trim can_zero can_fast_zero; do
    check "not $flag" says $flag false
done
check "its map is the file's" same_map
check "it is detached" detach
finish
