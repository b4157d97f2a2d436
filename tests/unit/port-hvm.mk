# SPDX-License-Identifier: MIT
# The port without an operating system, file by file: each with a machine of its
# test's in place of the rest.
port_hvm_tests = %D%/port-hvm-store %D%/port-hvm-grants %D%/port-hvm-events \
	%D%/port-hvm-memory %D%/port-hvm-console
check_PROGRAMS += $(port_hvm_tests)
TESTS += $(port_hvm_tests)
%C%_port_hvm_store_SOURCES = %D%/port-hvm-store.c %D%/tap.h \
	frontend/port-hvm/store.c
%C%_port_hvm_grants_SOURCES = %D%/port-hvm-grants.c %D%/tap.h
%C%_port_hvm_events_SOURCES = %D%/port-hvm-events.c %D%/tap.h \
	frontend/port-hvm/events.c
%C%_port_hvm_memory_SOURCES = %D%/port-hvm-memory.c %D%/tap.h \
	frontend/port-hvm/memory.c
%C%_port_hvm_memory_LDADD = libvbdfront.a
%C%_port_hvm_console_SOURCES = %D%/port-hvm-console.c %D%/tap.h \
	frontend/port-hvm/console.c
if PORT_HVM # reads the processor's counter
check_PROGRAMS += %D%/port-hvm-clock
TESTS += %D%/port-hvm-clock
endif
%C%_port_hvm_clock_SOURCES = %D%/port-hvm-clock.c %D%/tap.h \
	frontend/port-hvm/clock.c
%C%_port_hvm_clock_LDADD = -lm
