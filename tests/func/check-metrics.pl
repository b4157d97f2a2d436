#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# check-metrics.pl METRICS STATS: prints what is wrong with Prometheus's text
# format in METRICS, and where it says something else than the answer to stats
# (JSON, with histogram, asked afterwards) in STATS.
use strict;
use warnings;
use JSON::PP;

my ($metrics, $stats) = map { open my $f, '<', $_ or die "$_: $!\n";
                              local $/; <$f> } @ARGV;
my (%type, %value, %order, $family);

sub complain { print "@_\n" }

# --- the format -------------------------------------------------------------

sub labels_of {
    my ($text, $line) = @_;
    my %labels;

    while ($text =~ /\G([a-z_]+)="((?:[^\\"\n]|\\[\\"n])*)"(?:,(?!$)|$)/gc) {
        complain("label $1 twice: $line") if exists $labels{$1};
        $labels{$1} = $2;
    }
    complain("labels: $line") if (pos($text) // 0) != length $text;
    return \%labels;
}

sub series { # NAME LABELS: what makes it one
    my ($name, $labels) = @_;
    return $name . '{' . join(',', map { "$_=\"$labels->{$_}\"" }
                                   sort keys %$labels) . '}';
}

sub take_sample {
    my ($name, $text, $number, $line) = @_;
    my $labels = labels_of($text, $line);
    my $kind = $type{$family // ''} // 'none';
    my $stem = $kind eq 'histogram' ? $name =~ s/_(bucket|sum|count)$//r
                                    : $name;
    my $id = series($name, $labels);

    complain("not under its own TYPE: $line") if $stem ne ($family // '');
    complain("no bucket, sum or count: $line")
        if $kind eq 'histogram' && $stem eq $name;
    complain("twice: $line") if exists $value{$id};
    $value{$id} = $number;
    return unless $name =~ /_bucket$/;
    my $le = delete $labels->{le} // complain("no le: $line");
    push @{$order{series($stem, $labels)}}, [ $le, $number ];
}

complain('the last line does not end') if $metrics !~ /\n\z/;
my $helped = '';
for my $line (split /\n/, $metrics) {
    if ($line =~ /^# HELP (vbdd_[a-z_]+) (\S.*)$/) {
        complain("a second time: $line") if exists $type{$1};
        complain("escapes: $line") if $2 =~ /\\(?![\\n])/;
        $helped = $1;
    } elsif ($line =~ /^# TYPE (vbdd_[a-z_]+) (counter|gauge|histogram)$/) {
        ($family, my $kind) = ($1, $2);
        complain("a second time: $line") if exists $type{$family};
        complain("not after its HELP: $line") if $family ne $helped;
        complain("a counter is called _total: $line")
            if ($kind eq 'counter') != ($family =~ /_total$/);
        $type{$family} = $kind;
    } elsif ($line =~ /^(vbdd_[a-z_]+)\{(.*)\} ([0-9]+(?:\.[0-9]+)?)$/) {
        take_sample($1, $2, $3, $line);
    } else {
        complain("neither comment nor sample: $line");
    }
}

for my $id (sort keys %order) {
    my @buckets = @{$order{$id}};
    my ($edge, $below) = (0, 0);

    for (@buckets) {
        my ($le, $count) = @$_;
        complain("$id: le=$le after $edge")
            if $edge eq '+Inf' || ($le ne '+Inf' && $le <= $edge);
        complain("$id: $count up to $le, after $below") if $count < $below;
        ($edge, $below) = ($le, $count);
    }
    complain("$id: ends at $edge") if $edge ne '+Inf';
    my ($count, $sum) = map { $value{$id =~ s/\{/$_\{/r} // -1 }
                            '_count', '_sum';
    complain("$id: count $count, and $below in buckets") if $count != $below;
    complain("$id: sum $sum of $count") if ($sum > 0) != ($count > 0);
}

# --- what it says -----------------------------------------------------------

my (%expected, %moving);

sub expect {
    my ($name, $labels, $number) = @_;
    $expected{series("vbdd_$name", $labels)} = 0 + $number;
}

# Counted under another name; all others have their own.
my %renamed = (
    bytes_read => 'read_bytes_total', bytes_written => 'written_bytes_total',
    waited => 'waits_total', merged => 'merges_total',
    in_flight => 'requests_in_flight', bytes_in_flight => 'in_flight_bytes',
    budget_bytes => 'budget_bytes', ring_pages => 'ring_pages',
    slots => 'slots', persistent_grants => 'persistent_grants',
    max_persistent_grants => 'persistent_grants_max',
);

# Every number of an object; objects in it are counts by name.
sub expect_numbers {
    my ($prefix, $object, $labels, $by) = @_;

    for my $key (keys %$object) {
        next if $key =~ /^(disk|state|target|vbd|ring|error|vbds|queues|nbd
                           |.*latency|system_calls_per_response)$/x;
        if (ref $object->{$key}) {
            expect("${prefix}_${key}_total", { %$labels, $by => $_ },
                   $object->{$key}{$_}) for keys %{$object->{$key}};
        } else {
            my $name = $prefix . '_' . ($renamed{$key} // "${key}_total");
            expect($name, $labels, $object->{$key});
            # asking is work, too
            $moving{series("vbdd_$name", $labels)} = 1
                if $key =~ /^(system_calls|wakeups)$/;
        }
    }
}

sub expect_latency {
    my ($name, $latency, $labels) = @_;
    my $count = 0;

    return unless $latency;
    $count += $_->{count} for @{$latency->{buckets}};
    expect("${name}_count", $labels, $count);
    expect("${name}_sum", $labels, $latency->{total_us} / 1e6);
    for my $log2 (1 .. 19) {
        my $below = 0;
        $_->{below_us} <= 2 ** $log2 and $below += $_->{count}
            for @{$latency->{buckets}};
        expect("${name}_bucket",
               { %$labels, le => sprintf '%.6f', 2 ** $log2 / 1e6 }, $below);
    }
    expect("${name}_bucket", { %$labels, le => '+Inf' }, $count);
}

sub expect_vbd {
    my ($vbd, $labels) = @_;

    my ($domid, $vdev) = split m{/}, $vbd->{vbd}, 2;
    my %labels = (%$labels, domid => $domid, vdev => $vdev);
    expect('vbd_connected', \%labels, $vbd->{ring} eq 'connected' ? 1 : 0);
    expect_numbers('vbd', $vbd, \%labels);
    my $number = 0;
    expect_numbers('queue', $_, { %labels, queue => $number++ })
        for @{$vbd->{queues}};
}

for my $disk (@{decode_json($stats)->{disks}}) {
    my $target = $disk->{target} =~ s/([\\"])/\\$1/gr =~ s/\n/\\n/gr;
    my %labels = (disk => $disk->{disk}, target => $target);

    expect('disk_state', { %labels, state => $_ }, $disk->{state} eq $_)
        for qw(starting ready fail-stop draining failed);
    expect('disk_answered', \%labels, !$disk->{error});
    expect_numbers('disk', $disk, \%labels, 'operation');
    expect_latency('disk_request_duration_seconds', $disk->{latency},
                   \%labels);
    expect_latency('disk_flush_duration_seconds', $disk->{flush_latency},
                   \%labels);
    expect_numbers('nbd', $disk->{nbd}, \%labels, 'command') if $disk->{nbd};
    expect_vbd($_, \%labels) for @{$disk->{vbds}};
}
for my $id (sort keys %value) {
    complain("$id: not in stats") unless exists $expected{$id};
}
for my $id (sort keys %expected) {
    my ($said, $true) = ($value{$id}, $expected{$id});
    if (!defined $said) {
        complain("$id: missing");
    } elsif ($moving{$id} ? $said > $true : abs($said - $true) > 1e-9) {
        complain("$id: $said, and stats says $true");
    }
}
