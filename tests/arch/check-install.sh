#!/bin/sh
# SPDX-License-Identifier: MIT
# Claim: `make install` puts everything where it is looked for, and `make
# uninstall` takes all of it away; systemd takes the unit and its other files
# without a complaint, and what its `security` finds open has its reason in
# docs/OPERATIONS.md, where no reason stands for what is not open. Source:
# docs/OPERATIONS.md. Mechanism: DESTDIR; systemd's own tools, offline; the
# unit's program is replaced by the built one.
# shellcheck source-path=SCRIPTDIR disable=SC2317
. "$(dirname "$0")/tap.sh"

root=$scratch/root
log=$scratch/install.log
make=${MAKE:-make}

run_make() {
    "$make" -C "$top_builddir" "$@" DESTDIR="$root" >"$log" 2>&1 ||
        tail -n 20 "$log"
}

# installed FILE...: each is there once, under whatever prefix
installed() {
    (cd "$root" && find . -type f) >"$scratch/files"
    for file; do
        [ "$(grep -c -- "/$file\$" "$scratch/files")" = 1 ] ||
            echo "$file is not installed, or not once"
    done
}

# the path of one file, by its end
part() {
    find "$root" -path "*/$1"
}

# Only what it says of our files counts, not what it lacks here.
unit() {
    sed "s,^ExecStart=[^ ]*,ExecStart=$(cd "$top_builddir" && pwd)/vbdd," \
        "$(part system/vbdd.service)" >"$scratch/vbdd.service"
    systemd-analyze verify --man=no "$scratch/vbdd.service" 2>&1 |
        grep vbdd.service
}

make_user() {
    mkdir -p "$scratch/etc/etc"
    systemd-sysusers --root="$scratch/etc" "$(part sysusers.d/vbdd.conf)" \
        >"$log" 2>&1 || cat "$log"
    grep -q '^vbdd:x:[1-9][0-9]*:[0-9]*:.*:/usr/sbin/nologin$' \
        "$scratch/etc/etc/passwd" || echo 'no user vbdd was made'
}

# A directory that is there keeps its mode: 0711 lets QEMUs through.
make_dir() {
    for mode in 700 711; do
        systemd-tmpfiles --root="$scratch/etc" --create \
            "$(part tmpfiles.d/vbdd.conf)" >"$log" 2>&1 || cat "$log"
        [ "$(stat -c %a "$scratch/etc/run/vbdd")" = $mode ] ||
            echo "/run/vbdd has not mode $mode"
        chmod 711 "$scratch/etc/run/vbdd"
    done
}

# --- what is open -----------------------------------------------------------

open_items() {
    systemd-analyze security --offline=yes --no-pager "$scratch/vbdd.service" |
        sed -n 's/^✗ \([^ ]*\) .*/\1/p' | LC_ALL=C sort
}

reasons() { # FILE
    sed -n 's/^| `\([^`]*\)` |.*/\1/p' "$1" | tr -d '\\' | LC_ALL=C sort
}

unexplained() { # FILE
    [ -s "$scratch/open" ] || echo 'nothing is open?'
    reasons "$1" >"$scratch/reasons"
    LC_ALL=C comm -23 "$scratch/open" "$scratch/reasons" |
        sed 's/$/ is open, and no reason is given/'
    LC_ALL=C comm -13 "$scratch/open" "$scratch/reasons" |
        sed 's/$/ has a reason, and is not open/'
}

# systemd_tools NAME...: are they here?
systemd_tools() {
    for tool; do
        command -v "$tool" >/dev/null || return 1
    done
}

# ----------------------------------------------------------------------------

ok 'make install succeeds' run_make install
ok 'programs, pages and completions are where they are looked for' installed \
    sbin/vbdd libexec/vbdd/vbdd-disk bin/vbdctl bin/vbdfront \
    man/man8/vbdd.8 man/man5/vbdd.conf.5 man/man1/vbdctl.1 \
    bash-completion/completions/vbdctl
ok 'xl finds its script' installed xen/scripts/block-vbdd
if [ -z "$(part system/vbdd.service)" ]; then
    skip "systemd's files" '--with-systemdsystemunitdir'
else
    ok 'systemd finds its files' installed system/vbdd.service \
        sysusers.d/vbdd.conf tmpfiles.d/vbdd.conf sysctl.d/vbdd.conf \
        modules-load.d/vbdd.conf
    if systemd_tools systemd-sysusers systemd-tmpfiles; then
        ok 'the user of the workers is made' make_user
        ok 'the state directory is made, and left as it is' make_dir
    else
        skip 'user and state directory' systemd-sysusers
    fi
    if systemd_tools systemd-analyze; then
        ok 'systemd has nothing against the unit' unit
        open_items >"$scratch/open"
        systemd-analyze security --offline=yes --no-pager \
            "$scratch/vbdd.service" | tail -n 1 | comment
        ok 'whatever is open has its reason, and nothing else has' \
            unexplained "$top_srcdir/docs/OPERATIONS.md"
        # shellcheck disable=SC2016
        sed 's/`PrivateTmp=`/`PrivateTemp=`/' \
            "$top_srcdir/docs/OPERATIONS.md" | bad OPERATIONS.md
        finds 'a reason for nothing is found' \
            'PrivateTmp= is open, and no reason is given
PrivateTemp= has a reason, and is not open' \
            unexplained "$scratch/bad/OPERATIONS.md"
    else
        skip 'the unit' systemd-analyze
    fi
fi
ok 'make uninstall succeeds' run_make uninstall
ok 'nothing is left' find "$root" -type f
done_testing
