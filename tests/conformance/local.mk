# SPDX-License-Identifier: MIT
# The conformance table: our front end against our back end.
check_PROGRAMS += %D%/conformance
TESTS += %D%/conformance
%C%_conformance_SOURCES = %D%/table.c %D%/conformance.h %D%/disk.c \
	%D%/data.c %D%/agreed.c %D%/steps.c tests/unit/supervisor-rig.c \
	tests/unit/supervisor-rig.h tests/unit/tap.h
%C%_conformance_CFLAGS = $(supervisor_rig_cflags)
%C%_conformance_LDADD = libstamp.a libportlocal.a libporthosted.a libvbdfront.a libblkif.a \
	$(supervisor_rig_libs)
# events are counted by their port
%C%_conformance_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=local_event_take
EXTRA_%C%_conformance_DEPENDENCIES = vbdd vbdd-disk vbdd-local
