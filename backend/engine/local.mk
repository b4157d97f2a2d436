# SPDX-License-Identifier: MIT
# What stores blocks. A new engine = one file here + one line in engine.c.
# Who links it also needs libhost.a and $(AIO_LIBS).
noinst_LIBRARIES += libengine.a
libengine_a_SOURCES = %D%/engine.h %D%/engine.c %D%/private.h \
	%D%/parameters.h %D%/parameters.c \
	%D%/null.c %D%/mem.c \
	%D%/aio.h %D%/aio.c %D%/aio_target.c %D%/aio_ring.c %D%/aio_helper.c \
	%D%/stack.h %D%/stack.c %D%/error.c %D%/delay.c %D%/log.c \
	%D%/cache.c %D%/shadow.h %D%/shadow.c
