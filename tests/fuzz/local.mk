# SPDX-License-Identifier: MIT
# Hostile bytes. Each harness is one source, built twice: with a main that
# replays its corpus, for `make check`, and, where configure was given
# CC=clang --enable-fuzzing --enable-asan --enable-ubsan, with libFuzzer, for
# `make check-fuzz FUZZ_SECONDS=60`.
fuzz_names = ring indirect store front nbd
EXTRA_DIST += %D%/corpus %D%/fuzz.sh %D%/store.dict %D%/front.dict \
	%D%/nbd.dict

fuzz_common = %D%/fuzz.h
fuzz_ring_sources = %D%/ring.c %D%/model.h $(fuzz_common)
fuzz_ring_libs = tests/unit/libblkif-watched.a libblkif.a
fuzz_indirect_sources = %D%/indirect.c %D%/model.h $(fuzz_common)
fuzz_indirect_libs = libblkif.a
fuzz_store_sources = %D%/store.c %D%/nodes.h $(fuzz_common)
fuzz_store_libs = libsupervisor.a libblkif.a
fuzz_front_sources = %D%/front.c %D%/nodes.h $(fuzz_common)
fuzz_front_libs = libvbdfront.a libblkif.a
fuzz_nbd_sources = %D%/nbd.c %D%/options.h $(fuzz_common)
fuzz_nbd_libs = libnbdproto.a

fuzz_replays = %D%/replay-ring %D%/replay-indirect %D%/replay-store \
	%D%/replay-front %D%/replay-nbd
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)
fuzz_replay = %D%/replay.c tests/unit/tap.h
%C%_replay_ring_SOURCES = $(fuzz_ring_sources) $(fuzz_replay)
%C%_replay_ring_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"ring"'
%C%_replay_ring_LDADD = $(fuzz_ring_libs)
%C%_replay_indirect_SOURCES = $(fuzz_indirect_sources) $(fuzz_replay)
%C%_replay_indirect_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"indirect"'
%C%_replay_indirect_LDADD = $(fuzz_indirect_libs)
%C%_replay_store_SOURCES = $(fuzz_store_sources) $(fuzz_replay)
%C%_replay_store_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"store"'
%C%_replay_store_LDADD = $(fuzz_store_libs)
%C%_replay_front_SOURCES = $(fuzz_front_sources) $(fuzz_replay)
%C%_replay_front_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"front"'
%C%_replay_front_LDADD = $(fuzz_front_libs)
%C%_replay_nbd_SOURCES = $(fuzz_nbd_sources) $(fuzz_replay)
%C%_replay_nbd_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"nbd"'
%C%_replay_nbd_LDADD = $(fuzz_nbd_libs)

if FUZZING
fuzz_programs = %D%/fuzz-ring %D%/fuzz-indirect %D%/fuzz-store \
	%D%/fuzz-front %D%/fuzz-nbd
noinst_PROGRAMS += $(fuzz_programs)
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
%C%_fuzz_ring_SOURCES = $(fuzz_ring_sources)
%C%_fuzz_ring_LDADD = $(fuzz_ring_libs)
%C%_fuzz_ring_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_indirect_SOURCES = $(fuzz_indirect_sources)
%C%_fuzz_indirect_LDADD = $(fuzz_indirect_libs)
%C%_fuzz_indirect_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_store_SOURCES = $(fuzz_store_sources)
%C%_fuzz_store_LDADD = $(fuzz_store_libs)
%C%_fuzz_store_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_front_SOURCES = $(fuzz_front_sources)
%C%_fuzz_front_LDADD = $(fuzz_front_libs)
%C%_fuzz_front_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_nbd_SOURCES = $(fuzz_nbd_sources)
%C%_fuzz_nbd_LDADD = $(fuzz_nbd_libs)
%C%_fuzz_nbd_LDFLAGS = $(fuzz_ldflags)

FUZZ_SECONDS = 60
check-fuzz: $(fuzz_programs)
	@$(AM_TESTS_ENVIRONMENT) \
	FUZZ_NAMES='$(fuzz_names)' FUZZ_SECONDS=$(FUZZ_SECONDS) \
	  $(LOG_DRIVER) --test-name %D%/fuzz.sh --log-file %D%/fuzz.log \
	  --trs-file %D%/fuzz.trs -- $(srcdir)/%D%/fuzz.sh
	@grep '^# ' %D%/fuzz.log
	@grep -q '^:global-test-result: PASS' %D%/fuzz.trs
# The fewest inputs that reach what corpora and findings reach together.
update-corpora: $(fuzz_programs)
	for name in $(fuzz_names); do \
	  corpus=$(srcdir)/%D%/corpus/$$name && \
	  rm -rf %D%/merged && mkdir -p %D%/merged %D%/found/$$name && \
	  %D%/fuzz-$$name -set_cover_merge=1 -use_counters=0 -max_len=2048 \
	    %D%/merged $$corpus %D%/found/$$name && \
	  rm -rf $$corpus && mv %D%/merged $$corpus || exit 1; \
	done
else
check-fuzz update-corpora:
	@echo 'configure with CC=clang --enable-fuzzing --enable-asan' \
	  '--enable-ubsan first' >&2; exit 1
endif
.PHONY: check-fuzz update-corpora
