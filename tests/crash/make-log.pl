# SPDX-License-Identifier: MIT
# Makes a log as dm-log-writes would: make-log.pl FILE SECTOR_BYTES ENTRY...
# An entry is KIND:SECTOR:COUNT:BYTE: w(rite), u (a FUA write), d(iscard),
# f(lush), or m:TEXT, a mark. SECTOR and COUNT are of SECTOR_BYTES.
use strict;
use warnings;

my ($file, $bytes, @entries) = @ARGV;
my %flags = (w => 0, f => 1, u => 2, d => 4, m => 8);
open my $log, '>:raw', $file or die "$file: $!\n";

# One sector, filled up with zeros.
sub put { print $log pack "a$bytes", $_[0] }

put pack 'L<L<Q<Q<L<', 0x77736872, 0x6a7366, 1, scalar @entries, $bytes;
for (@entries) {
    my ($kind, $sector, $count, $byte) = split /:/;
    my $text = $kind eq 'm' ? $sector : '';
    ($sector, $count) = (0, 0) if $kind =~ /[mf]/;
    put pack('Q<Q<Q<Q<', $sector, $count, $flags{$kind}, length $text) . $text;
    print $log $byte x ($count * $bytes) if $kind =~ /[wu]/;
}
close $log or die "$file: $!\n";
