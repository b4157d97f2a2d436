# SPDX-License-Identifier: MIT
# What Linux says of a target, and who has it in use.
STORAGE_TESTS = storage-holders storage-openers storage-look storage-real
check_PROGRAMS += $(STORAGE_TESTS)
TESTS += $(STORAGE_TESTS)
storage_holders_SOURCES = %D%/storage-holders.c %D%/storage-tree.h
storage_holders_LDADD = libstorage.a
storage_openers_SOURCES = %D%/storage-openers.c %D%/storage-tree.h
storage_openers_LDADD = libstorage.a
storage_look_SOURCES = %D%/storage-look.c %D%/storage-tree.h
storage_look_LDADD = libstorage.a
storage_real_SOURCES = %D%/storage-real.c %D%/storage-tree.h
storage_real_LDADD = libstorage.a
