# SPDX-License-Identifier: MIT
# The guest without an operating system, and who tells it what to do. Neither
# is installed: they are for tests and for quickstart.
noinst_LIBRARIES += libint13.a
libint13_a_SOURCES = %D%/client.c %D%/client.h %D%/agent.h
noinst_PROGRAMS += int13ctl
int13ctl_SOURCES = %D%/int13ctl.c tools/options/options.c \
	tools/options/options.h
int13ctl_LDADD = libint13.a libstamp.a libhost.a
EXTRA_DIST += %D%/agent.S %D%/agent.ld

if INT13_AGENT
noinst_DATA += int13-agent.bin
CLEANFILES += int13-agent.bin int13-agent.o
int13-agent.bin: %D%/agent.S %D%/agent.ld %D%/agent.h
	$(AM_V_GEN)$(CC) $(INT13_CFLAGS) -I$(top_srcdir) \
	  -c $(srcdir)/%D%/agent.S -o int13-agent.o && \
	$(LD) $(INT13_LDFLAGS) -T $(srcdir)/%D%/agent.ld int13-agent.o -o $@
endif
