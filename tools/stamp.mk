# SPDX-License-Identifier: MIT
# The stamp on each sector that a test or a tool writes.
noinst_LIBRARIES += libstamp.a
libstamp_a_SOURCES = %D%/stamp/stamp.c %D%/stamp/stamp.h
