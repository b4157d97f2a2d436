# SPDX-License-Identifier: MIT
ENGINE_TESTS = tests/unit/engine-conformance tests/unit/engine-specification \
	tests/unit/engine-stack tests/unit/engine-aio tests/unit/engine-faults \
	tests/unit/engine-extents tests/unit/engine-cache
check_PROGRAMS += $(ENGINE_TESTS)
TESTS += $(ENGINE_TESTS)
ENGINE_TEST_LIBS = libengine.a libhost.a $(AIO_LIBS)

tests_unit_engine_conformance_SOURCES = %D%/engine-conformance.c \
	%D%/engine-test.h
# with AddressSanitizer what is inlined into main() needs more than 4 KiB
tests_unit_engine_conformance_CFLAGS = $(AM_CFLAGS) -Wframe-larger-than=65536
tests_unit_engine_conformance_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_engine_specification_SOURCES = %D%/engine-specification.c
tests_unit_engine_specification_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_engine_stack_SOURCES = %D%/engine-stack.c
tests_unit_engine_stack_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_engine_aio_SOURCES = %D%/engine-aio.c
tests_unit_engine_aio_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_engine_faults_SOURCES = %D%/engine-faults.c
tests_unit_engine_faults_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_engine_faults_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=io_setup \
	-Wl,--wrap=io_submit -Wl,--wrap=io_getevents \
	-Wl,--wrap=eventfd_read -Wl,--wrap=fallocate -Wl,--wrap=pwrite \
	-Wl,--wrap=ioctl -Wl,--wrap=uname
tests_unit_engine_extents_SOURCES = %D%/engine-extents.c %D%/engine-test.h
tests_unit_engine_extents_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_engine_extents_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=lseek
tests_unit_engine_cache_SOURCES = %D%/engine-cache.c %D%/engine-test.h
tests_unit_engine_cache_LDADD = $(ENGINE_TEST_LIBS)
