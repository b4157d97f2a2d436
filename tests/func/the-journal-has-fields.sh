#!/bin/bash
# SPDX-License-Identifier: MIT
# Claim: under systemd whatever vbdd and its workers say is an entry of the
# journal, with fields for domain, vbd, disk and target, and nothing is said
# twice. Source: vbdd(8), "Log". Mechanism: a namespace in which the journal's
# socket is ours; standard error is a file that $JOURNAL_STREAM names.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2119,SC2317
if [ -z "${IN_NAMESPACE:-}" ]; then
    unshare -m true 2>/dev/null || { echo '1..0 # SKIP needs root'; exit 77; }
    exec env IN_NAMESPACE=1 unshare -m "$0"
fi
. "${top_srcdir:?}/tests/func/lib.sh"

mkdir -p /run/systemd && mount -t tmpfs none /run/systemd &&
    mkdir /run/systemd/journal || bail 'no place for a socket'
perl -MIO::Socket::UNIX -MSocket -e '
    $| = 1;
    my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
                                  Local => "/run/systemd/journal/socket");
    while (defined $s->recv(my $entry, 65536)) {
        print join("|", split /\n/, $entry), "\n";
    }' >"$work/journal" 2>"$work/perl.log" &
pids+=($!)
wait_for test -S /run/systemd/journal/socket || bail 'no socket'

start_local || bail 'the stand-in does not start'
: >"$work/vbdd.log"
JOURNAL_STREAM=$(stat -c %d:%i "$work/vbdd.log")
export JOURNAL_STREAM
start_vbdd || bail 'vbdd does not start'
unset JOURNAL_STREAM

truncate -s 64M "$work/disk" "$work/small"
check 'attach' ctl attach --domid 5 --vdev xvda --target "$work/disk" \
    --option buffered=yes
check 'it works' front --domid 5 verify --stamp --count 1024
said() { wait_for grep -q "$1" "$work/journal"; }
check 'vbdd itself' said \
    '^MESSAGE=serving|PRIORITY=6|SYSLOG_IDENTIFIER=vbdd$'
check 'a vbd' said 'MESSAGE=5/xvda: connected.*|VBDD_DOMID=5|VBDD_VDEV=xvda$'
check 'a disk' said 'MESSAGE=disk 1: .* is served.*|VBDD_DISK=1$'
exec 9<"$work/small"
flock 9
refuses 'somebody holds a target' 'small' ctl attach --domid 5 --vdev xvdb \
    --target "$work/small" --option buffered=yes
check 'a worker, of its disk and target' said \
    "^VBDD_DISK=2|VBDD_TARGET=$work/small|MESSAGE=.*|PRIORITY=3|SYSLOG_IDENTIFIER=vbdd-disk\$"
ctl detach --domid 5 --vdev xvda
check 'nothing was said as a line' test ! -s "$work/vbdd.log"
note "$(wc -l <"$work/journal") entries"
stop_pid "$vbdd_pid"
check 'the end as well' said '^MESSAGE=ended|'
finish
