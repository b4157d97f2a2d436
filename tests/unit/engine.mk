# SPDX-License-Identifier: MIT
ENGINE_TESTS = tests/unit/engine-conformance
check_PROGRAMS += $(ENGINE_TESTS)
TESTS += $(ENGINE_TESTS)
ENGINE_TEST_LIBS = libengine.a libhost.a $(AIO_LIBS)

tests_unit_engine_conformance_SOURCES = %D%/engine-conformance.c \
	%D%/engine-test.h
tests_unit_engine_conformance_LDADD = $(ENGINE_TEST_LIBS)
