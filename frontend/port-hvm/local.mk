# SPDX-License-Identifier: MIT
# The port without an operating system: one library with the driver in it, for
# 32 bits and nothing but the general registers; and a guest made of it.
if PORT_HVM
noinst_LIBRARIES += libvbdfront-hvm.a
libvbdfront_hvm_a_SOURCES = $(libvbdfront_a_SOURCES) \
	%D%/start.c %D%/hypercall.c %D%/memory.c %D%/grants.c %D%/events.c \
	%D%/upcall.c %D%/pic.c %D%/clock.c %D%/store.c %D%/console.c \
	%D%/libc.c \
	%D%/cpu.h %D%/private.h %D%/port-hvm.h
libvbdfront_hvm_a_CFLAGS = $(WARN_CFLAGS) $(CORE_CFLAGS) $(PORT_HVM_CFLAGS)

noinst_PROGRAMS += port-hvm-example
port_hvm_example_SOURCES = %D%/example/start.S %D%/example/example.c
port_hvm_example_CFLAGS = $(libvbdfront_hvm_a_CFLAGS)
port_hvm_example_CCASFLAGS = -m32
port_hvm_example_LDFLAGS = -m32 -nostdlib -static \
	-Wl,--build-id=none -Wl,-T,$(srcdir)/%D%/example/example.ld
port_hvm_example_LDADD = libvbdfront-hvm.a
port_hvm_example_DEPENDENCIES = libvbdfront-hvm.a %D%/example/example.ld
endif
EXTRA_DIST += %D%/example/example.ld
