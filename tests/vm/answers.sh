# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the flush-correctness VM asks whoever started it, and the answers: for
# tests in QEMU's pc and for tests/vm/run on a Xen host. The words, after the
# question's number (tests/vm/image/control.h):
#
#   hello                  "hello"
#   cases GROUP            are they to be judged? "yes", "no", or "only CLAIM":
#                          those that begin so
#   again                  "yes" or "no": once more, with groups asked for anew?
#   plan                   "idle" or "busy": when to unplug the emulated disk
#   look SECTOR COUNT      what is on the device, past all caches
#   durable SECTOR COUNT   what a power cut would leave now
#   suspend                "soon": the guest is saved and restored, if $can_suspend
#   done                   it powers itself off
#
# look and durable are answered "COUNT writer W sequence Q" when all sectors have
# the same stamp, each its own number; anything can be answered "unknown WHY".
#
# $device and $left are what is read for that, always past the page cache: what
# all acknowledged writes have reached, and what a power cut leaves. Either may be
# empty: then nobody can know. They must not share a page cache with whoever
# writes: a read of the kind that is used here would bring that to the disk.
# $cases has the groups that are wanted, or all; behind a slash, which claims.
# shellcheck disable=SC2154 # device, left, cases, plan, can_suspend: the caller's
answer() {
    local words
    read -ra words <<<"$1"
    case ${words[0]} in
    hello) echo hello ;;
    cases)
        case " ${cases%%/*} " in
        *" all "* | *" ${words[1]} "*) ;;
        *) echo no; return ;;
        esac
        case $cases in
        */*) echo "only ${cases#*/}" ;;
        *) echo yes ;;
        esac ;;
    again) [ -n "$cases" ] && echo yes || echo no ;;
    plan) echo "$plan" ;;
    look)
        [ -n "$device" ] || { echo "unknown nobody can look below this"; return; }
        look_at "$device" "${words[1]}" "${words[2]}" ;;
    durable)
        [ -n "$left" ] || { echo "unknown nobody can cut its power"; return; }
        look_at "$left" "${words[1]}" "${words[2]}" ;;
    suspend)
        [ "$can_suspend" = yes ] || { echo "unknown nobody can save this guest"; return; }
        echo soon ;;
    done) echo bye ;;
    *) echo "unknown question ${words[0]}" ;;
    esac
}

# look_at FILE SECTOR COUNT: in whole blocks of 4096 bytes, which any device can
# be read in
look_at() {
    local first=$(($2 / 8)) past=$((($2 + $3 + 7) / 8))
    dd if="$1" iflag=direct bs=4096 skip=$first count=$((past - first)) \
        2>/dev/null |
        tail -c +$(($2 % 8 * 512 + 1)) | head -c $(($3 * 512)) |
        int13ctl look | awk -v first="$2" '
        { what = $1 }
        $1 == "sector" { what = "a stamp of sector " $2 }
        $1 == "sector" && $2 == first + NR - 1 { what = $3 " " $4 " " $5 " " $6 }
        NR == 1 { all = what }
        what != all { others++ }
        END { print NR " " all (others ? ", " others " others" : "") }'
}
