# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Interop tests: clients that nobody here wrote, at a disk's door.
#
#   . "$top_srcdir/tests/interop/lib.sh"
#   needs nbdcopy                # or the test is skipped
#   disk 5 "$work/disk.img"      # attached as hda of domain 5
#   check "it goes in" nbdcopy "$work/data" "$uri"
#   check "both paths see it" both_see "$work/data"
. "$top_srcdir/tests/func/lib.sh" || exit 99

export state_dir # for vbdctl in prelude.py

# libnbd's Python module is that of the distribution's Python. Who waits for an
# answer that does not come waits for ever.
nbdsh() { PATH=/usr/bin:$PATH timeout -k 5 60 nbdsh "$@"; }

has() {
    case $1 in
    nbdsh) nbdsh -c pass 2>/dev/null ;;
    fio-nbd) fio --enghelp 2>/dev/null | grep -qw nbd ;;
    *) type -P "$1" >/dev/null ;;
    esac
}

# needs PROGRAM...: the whole test is skipped without.
needs() {
    local program missing=
    for program; do has "$program" || missing+=" $program"; done
    [ -z "$missing" ] || { echo "1..0 # SKIP needs$missing"; exit 0; }
}

# disk DOMID TARGET ARGUMENT...: attaches TARGET; it is the disk that is spoken
# of from here on.
disk() {
    domid=$1 target=$2
    ctl attach --domid "$domid" --vdev hda --target "$target" "${@:3}" \
        >"$work/attach.out" 2>&1 || bail "no disk: $(cat "$work/attach.out")"
    uri=$(ctl nbd "$domid/hda")
    export uri
}
detach() { ctl detach --domid "$domid" --vdev hda; }
ring() { front --domid "$domid" --vdev hda "$@"; }

# is_stored FILE: what lies on the disk, below every cache, is what FILE has.
is_stored() { dd if="$target" iflag=direct bs=1M status=none | cmp - "$1"; }
# both_see FILE: so do the ring and the disk itself.
both_see() { ring verify "$1" && is_stored "$1"; }

# unlocked FORMAT: the target for qemu-img --image-opts, past the locks that
# keep QEMU out otherwise (C12)
unlocked() {
    echo "driver=$1,file.driver=file,file.locking=off,file.filename=$target"
}

# shows LINE: `vbdctl show` says it, now or soon: an event goes a long way.
shows() { wait_for eval "ctl show $domid/hda | grep -Exq -- '$1'"; }
shown() { ctl show "$domid/hda" | awk -v name="$1" '$1 == name { print $2 }'; }

random() { head -c "$2" /dev/urandom >"$1"; } # FILE SIZE
filled() { head -c "$2" /dev/zero | tr '\0' "$3" >"$1"; } # FILE SIZE LETTER

# from_nbdsh FILE.py: passes and fails what FILE says in lines like TAP's.
from_nbdsh() {
    local line end="did not come to its end"
    while IFS= read -r line; do
        case $line in
        "ok - "*) pass "${line#ok - }" ;;
        "not ok - "*) fail "${line#not ok - }" ;;
        "# the end") end= ;;
        *) note "$line" ;;
        esac
    done < <(cat "$top_srcdir/tests/interop/prelude.py" "$1" - \
        <<<'print("# the end")' | nbdsh -c - 2>&1)
    [ -z "$end" ] || fail "$(basename "$1") $end"
}
