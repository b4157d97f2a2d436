# SPDX-License-Identifier: MIT
# The stand-in hypervisor's own tests: they start vbdd-local themselves.
local_tests = local-domain local-grant local-event local-store \
	local-transaction
check_PROGRAMS += $(local_tests)
TESTS += $(local_tests)
local_test_libs = liblocal.a libhost.a

local_domain_SOURCES = %D%/local-domain.c %D%/local-server.h %D%/tap.h
local_domain_LDADD = $(local_test_libs)
local_grant_SOURCES = %D%/local-grant.c %D%/local-server.h %D%/tap.h
local_grant_LDADD = $(local_test_libs)
local_event_SOURCES = %D%/local-event.c %D%/local-server.h %D%/tap.h
local_event_LDADD = $(local_test_libs)
local_store_SOURCES = %D%/local-store.c %D%/local-server.h %D%/tap.h
local_store_CFLAGS = $(AM_CFLAGS) $(XENSTORE_CFLAGS)
local_store_LDADD = $(local_test_libs) $(XENSTORE_LIBS)
local_transaction_SOURCES = %D%/local-transaction.c %D%/local-server.h %D%/tap.h
local_transaction_CFLAGS = $(local_store_CFLAGS)
local_transaction_LDADD = $(local_store_LDADD)

dist_check_SCRIPTS += tests/func/xenstore-tools.sh
TESTS += tests/func/xenstore-tools.sh
