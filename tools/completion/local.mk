# SPDX-License-Identifier: MIT
# bash completion, one file for each program, found by its name.
# tests/arch/check-docs.sh holds them against --help and the man pages.
completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = %D%/vbdctl %D%/vbdd %D%/vbdd-dd-verify \
	%D%/vbdd-local %D%/vbdfront %D%/vbdverify
