# SPDX-License-Identifier: MIT
frontend_tests = %D%/frontend-connect %D%/frontend-core %D%/frontend-order \
	%D%/frontend-rings %D%/frontend-indirect \
	%D%/frontend-discard %D%/frontend-bounce %D%/frontend-unplug \
	%D%/frontend-resume %D%/frontend-resume-model %D%/frontend-profiles
check_PROGRAMS += $(frontend_tests)
TESTS += $(frontend_tests)

check_LIBRARIES += %D%/libfrontend-fake.a
%C%_libfrontend_fake_a_SOURCES = %D%/frontend-fake.c %D%/frontend-fake.h
frontend_libs = %D%/libfrontend-fake.a libvbdfront.a libblkif.a

%C%_frontend_connect_SOURCES = %D%/frontend-connect.c %D%/frontend-disk.h \
	%D%/tap.h
%C%_frontend_connect_LDADD = $(frontend_libs)
%C%_frontend_core_SOURCES = %D%/frontend-core.c %D%/frontend-disk.h \
	%D%/tap.h
%C%_frontend_core_LDADD = $(frontend_libs)
%C%_frontend_order_SOURCES = %D%/frontend-order.c %D%/frontend-disk.h \
	%D%/tap.h
%C%_frontend_order_LDADD = $(frontend_libs)
%C%_frontend_rings_SOURCES = %D%/frontend-rings.c %D%/frontend-disk.h \
	%D%/tap.h
%C%_frontend_rings_LDADD = $(frontend_libs)
%C%_frontend_indirect_SOURCES = %D%/frontend-indirect.c \
	%D%/frontend-disk.h %D%/tap.h
%C%_frontend_indirect_LDADD = $(frontend_libs)
%C%_frontend_discard_SOURCES = %D%/frontend-discard.c \
	%D%/frontend-disk.h %D%/tap.h
%C%_frontend_discard_LDADD = $(frontend_libs)
%C%_frontend_bounce_SOURCES = %D%/frontend-bounce.c \
	%D%/frontend-disk.h %D%/tap.h
%C%_frontend_bounce_LDADD = $(frontend_libs)
%C%_frontend_resume_SOURCES = %D%/frontend-resume.c \
	%D%/frontend-disk.h %D%/tap.h
%C%_frontend_resume_LDADD = $(frontend_libs)
%C%_frontend_resume_model_SOURCES = %D%/frontend-resume-model.c \
	%D%/frontend-disk.h %D%/tap.h
%C%_frontend_resume_model_LDADD = $(frontend_libs)
%C%_frontend_unplug_SOURCES = %D%/frontend-unplug.c %D%/tap.h
%C%_frontend_unplug_LDADD = libvbdfront.a
%C%_frontend_profiles_SOURCES = %D%/frontend-profiles.c \
	%D%/frontend-disk.h %D%/tap.h tools/vbdfront/profile.c \
	tools/vbdfront/profile.h
%C%_frontend_profiles_LDADD = $(frontend_libs) libhost.a

# Back ends that lie.
lies_tests = %D%/lies-rings %D%/lies-nodes
check_PROGRAMS += $(lies_tests)
TESTS += $(lies_tests)
%C%_lies_rings_SOURCES = %D%/lies-rings.c %D%/lies-rows.h \
	%D%/frontend-disk.h %D%/tap.h
%C%_lies_rings_LDADD = $(frontend_libs)
%C%_lies_nodes_SOURCES = %D%/lies-nodes.c %D%/lies-rows.h \
	%D%/frontend-disk.h %D%/tap.h
%C%_lies_nodes_LDADD = $(frontend_libs)

# Above the local stand-in: a small back end in a process of its own.
check_PROGRAMS += %D%/frontend-serve %D%/frontend-port-local
TESTS += %D%/frontend-port-local
%C%_frontend_serve_SOURCES = %D%/frontend-serve.c
%C%_frontend_serve_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
%C%_frontend_serve_LDADD = libblkif.a liblocal.a libhost.a $(XENSTORE_LIBS)
%C%_frontend_port_local_SOURCES = %D%/frontend-port-local.c %D%/tap.h
%C%_frontend_port_local_LDADD = libportlocal.a libvbdfront.a liblocal.a \
	libhost.a $(XENSTORE_LIBS)

# The command line tool: its parts, then the whole.
check_PROGRAMS += %D%/frontend-parts
dist_check_SCRIPTS += %D%/frontend-tool.sh
TESTS += %D%/frontend-parts %D%/frontend-tool.sh
%C%_frontend_parts_SOURCES = %D%/frontend-parts.c %D%/tap.h \
	tools/options/options.c tools/vbdfront/histogram.c
%C%_frontend_parts_LDADD = libhost.a
