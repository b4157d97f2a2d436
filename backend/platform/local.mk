# SPDX-License-Identifier: MIT
# The hypervisor as the back end sees it: one interface, two implementations.
noinst_LIBRARIES += libplatform.a
libplatform_a_SOURCES = %D%/platform.c %D%/platform.h %D%/ops.h %D%/local.c
libplatform_a_CPPFLAGS = $(AM_CPPFLAGS) $(XEN_CFLAGS)
if WITH_XEN
libplatform_a_SOURCES += %D%/xen.c
endif
