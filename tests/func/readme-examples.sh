#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: who types what README.md says has a disk: each command of the section
# about the local platform succeeds in the build folder, and what was written
# comes back.
# Source: README.md.
# Mechanism: the indented lines of that section, one after the other, with
# nothing changed but the names of the files, which are in $work.
. "$top_srcdir/tests/func/lib.sh" || exit 99
PATH=${PATH#"$top_builddir:"} # README.md says how to get it
cd "$top_builddir" || bail "there is no build folder"

mapfile -t commands < <(
    sed -n '/^## A disk on the local platform$/,/^## /s/^    //p' \
        "$top_srcdir/README.md")
private() {
    # shellcheck disable=SC2016
    sed 's|/var/tmp/disk.img|$work/disk.img|g
         s|/tmp/xen|$local_dir|g; s|/tmp/vbdd|$state_dir|g'
}
all_private() { ! printf '%s\n' "${commands[@]}" | private | grep /tmp; }
check "README.md has examples" [ ${#commands[@]} -gt 10 ]
check "their files can be put into a private folder" all_private
[ $failed = 0 ] || finish

# A person sees when a daemon is ready; the machine may be a slow one.
is_ready() { # COMMAND
    if [[ $1 = vbdd-local* ]]; then
        [ -S "$local_dir/xenstored" ]
    else
        ctl ping
    fi
}
start() { # COMMAND
    eval "$1" >>"$work/daemons.log" 2>&1 </dev/null
    pids+=($!)
    wait_for is_ready "$1"
}
for command in "${commands[@]}"; do
    case $command in
    *\&) check "$command" start "$(private <<<"$command")" ;;
    *) check "$command" eval "$(private <<<"$command")" ;;
    esac
    [[ $command != *' read '* ]] || cp "$work/check.out" "$work/read"
done
hello() { printf '%-511s\n' hello; }
check "what was written has been read" cmp "$work/read" <(hello)
check "and is on the target" cmp -n 512 "$work/disk.img" <(hello)
nothing_runs() { ! kill -0 "${pids[@]}"; }
check "the last command has ended the daemons" wait_for nothing_runs
[ $failed = 0 ] || sed 's/^/# /' "$work/daemons.log"
finish
