# SPDX-License-Identifier: MIT
# The stand-in hypervisor: its clients' library and the program.
noinst_LIBRARIES += liblocal.a
liblocal_a_SOURCES = %D%/local.h %D%/protocol.h %D%/client.h \
	%D%/client.c %D%/guest.c %D%/grant.c %D%/event.c %D%/pins.c %D%/pins.h

sbin_PROGRAMS += vbdd-local
vbdd_local_SOURCES = %D%/server.c %D%/server.h %D%/alloc.h \
	%D%/hypercall.c %D%/domain.c %D%/port.c \
	%D%/store/store.h %D%/store/store.c %D%/store/request.c \
	%D%/store/watch.c %D%/store/transaction.c \
	%D%/store/tree.c %D%/store/tree.h %D%/store/path.c %D%/store/path.h
vbdd_local_LDADD = liblocal.a libhost.a $(EV_LIBS)
