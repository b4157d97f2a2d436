# SPDX-License-Identifier: MIT
# libFuzzer harnesses: configure CC=clang --enable-fuzzing --enable-asan
# --enable-ubsan, then `make check-fuzz FUZZ_SECONDS=60`.
EXTRA_DIST += %D%/ring.c
if FUZZING
noinst_PROGRAMS = tests/fuzz/ring
tests_fuzz_ring_SOURCES = %D%/ring.c
tests_fuzz_ring_LDADD = libblkif.a
tests_fuzz_ring_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

FUZZ_SECONDS = 60
check-fuzz: tests/fuzz/ring
	tests/fuzz/ring -max_total_time=$(FUZZ_SECONDS) -max_len=4100 \
	  -print_final_stats=1
else
check-fuzz:
	@echo 'configure with CC=clang --enable-fuzzing first' >&2; exit 1
endif
.PHONY: check-fuzz
