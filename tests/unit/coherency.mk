# SPDX-License-Identifier: MIT
coherency_tests = %D%/coherency-model %D%/coherency-bugs
check_PROGRAMS += $(coherency_tests)
TESTS += $(coherency_tests)

coherency_sim = %D%/coherency-sim.c %D%/coherency-sim.h %D%/coherency-model.h
%C%_coherency_model_SOURCES = %D%/coherency-model.c $(coherency_sim)
%C%_coherency_model_LDADD = libcoherency.a

%C%_coherency_bugs_SOURCES = %D%/coherency-bugs.c $(coherency_sim)
%C%_coherency_bugs_LDADD = libcoherency-test.a
