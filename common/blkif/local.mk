# SPDX-License-Identifier: MIT
# The protocol core. Freestanding here as in a guest, so that nothing of libc
# slips in unseen (tests/arch/check-freestanding.sh has the rest of the proof).
noinst_LIBRARIES += libblkif.a
libblkif_a_SOURCES = %D%/abi.c %D%/abi.h %D%/error.h %D%/limits.h \
	%D%/ring.c %D%/ring.h %D%/status.c %D%/status.h %D%/validate.c \
	%D%/validate.h %D%/wire.h %D%/xenbus.c %D%/xenbus.h
libblkif_a_CFLAGS = $(AM_CFLAGS) $(CORE_CFLAGS) -ffreestanding
