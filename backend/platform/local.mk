# SPDX-License-Identifier: MIT
# The hypervisor as the back end sees it: one interface, two implementations.
noinst_LIBRARIES += libplatform.a
libplatform_a_SOURCES = %D%/platform.c %D%/platform.h %D%/ops.h %D%/local.c
libplatform_a_CPPFLAGS = $(AM_CPPFLAGS) $(XEN_CFLAGS)
if WITH_XEN
libplatform_a_SOURCES += %D%/xen.c %D%/xen_event.c %D%/xen_event.h
endif

# Domains: the supervisor's alone.
noinst_LIBRARIES += libdomain.a
libdomain_a_SOURCES = %D%/domain.c %D%/domain.h %D%/domain_ops.h \
	%D%/domain_local.c
libdomain_a_CPPFLAGS = $(AM_CPPFLAGS) $(XENCONTROL_CFLAGS)
if WITH_XEN
libdomain_a_SOURCES += %D%/domain_xen.c
endif
