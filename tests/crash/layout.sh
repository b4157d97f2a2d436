# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Where a Linux guest that is to lose its power writes what (power-load, in the
# guest), and where it is looked for (judge-linux): a file system in the disk's
# first fs_blocks, of 4 KiB; at files_block the number of the last file whose
# fsync has come back; at flush_block the last such number that a FLUSH by the
# other path has made durable; vbdverify's stamps on the sectors of stamp_range.
fs_blocks=2560
files_block=8192
flush_block=8208
stamp_range=81920+1024
content() { yes "file $1" | head -c $((1000 + $1 * 977 % 30000)); } # of file N
