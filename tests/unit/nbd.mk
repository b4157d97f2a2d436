# SPDX-License-Identifier: MIT
# The NBD server's pure half.
nbd_tests = %D%/nbd-handshake %D%/nbd-request
check_PROGRAMS += $(nbd_tests)
TESTS += $(nbd_tests)
%C%_nbd_handshake_SOURCES = %D%/nbd-handshake.c %D%/nbd-dialogue.h %D%/tap.h
%C%_nbd_handshake_LDADD = libnbdproto.a
%C%_nbd_request_SOURCES = %D%/nbd-request.c %D%/tap.h
%C%_nbd_request_LDADD = libnbdproto.a
