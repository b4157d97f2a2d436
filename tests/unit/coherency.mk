# SPDX-License-Identifier: MIT
coherency_tests = %D%/coherency-model %D%/coherency-bugs \
	%D%/coherency-order %D%/coherency-flush %D%/coherency-merge \
	%D%/coherency-life %D%/coherency-zero %D%/coherency-cost
check_PROGRAMS += $(coherency_tests)
TESTS += $(coherency_tests)

# Random runs, judged by a model.
coherency_sim = %D%/coherency-sim.c %D%/coherency-sim.h \
	%D%/coherency-sim-engine.c %D%/coherency-sim-engine.h \
	%D%/coherency-model.h %D%/engine-contract.h
%C%_coherency_model_SOURCES = %D%/coherency-model.c $(coherency_sim)
%C%_coherency_model_LDADD = libcoherency.a
%C%_coherency_bugs_SOURCES = %D%/coherency-bugs.c $(coherency_sim)
%C%_coherency_bugs_LDADD = libcoherency-test.a

# Scenarios on a disk that is moved by hand.
coherency_hand = %D%/coherency-hand.h %D%/engine-contract.h
%C%_coherency_order_SOURCES = %D%/coherency-order.c $(coherency_hand)
%C%_coherency_order_LDADD = libcoherency.a
%C%_coherency_flush_SOURCES = %D%/coherency-flush.c $(coherency_hand)
%C%_coherency_flush_LDADD = libcoherency.a
%C%_coherency_merge_SOURCES = %D%/coherency-merge.c $(coherency_hand)
%C%_coherency_merge_LDADD = libcoherency.a
%C%_coherency_merge_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=posix_memalign
%C%_coherency_zero_SOURCES = %D%/coherency-zero.c $(coherency_hand)
%C%_coherency_zero_LDADD = libcoherency.a
%C%_coherency_life_SOURCES = %D%/coherency-life.c $(coherency_hand)
%C%_coherency_life_LDADD = libcoherency.a
%C%_coherency_cost_SOURCES = %D%/coherency-cost.c $(coherency_hand)
%C%_coherency_cost_LDADD = libcoherency.a
