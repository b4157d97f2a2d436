# SPDX-License-Identifier: MIT
# What a program links that can use this port: nothing where there is none.
if WITH_XEN
noinst_LIBRARIES += libportlinux.a
libportlinux_a_SOURCES = %D%/port-linux.c %D%/port-linux.h %D%/grants.c \
	%D%/grants.h %D%/claim.c
libportlinux_a_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS) $(XEN_CFLAGS)
port_linux_libs = libportlinux.a
port_linux_deps = $(XEN_LIBS) $(XENSTORE_LIBS)
endif
