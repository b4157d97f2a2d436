# SPDX-License-Identifier: MIT
# What connects vbdd to xl and to systemd.
xenscriptdir = $(sysconfdir)/xen/scripts
nodist_xenscript_SCRIPTS = %D%/block-vbdd
# Each of systemd's folders has one file of ours: FOLDER.d/vbdd.conf.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
sysctldir = $(prefix)/lib/sysctl.d
modulesloaddir = $(prefix)/lib/modules-load.d
if WITH_SYSTEMD_UNIT
nodist_systemdsystemunit_DATA = %D%/vbdd.service
dist_sysusers_DATA = %D%/sysusers.d/vbdd.conf
dist_tmpfiles_DATA = %D%/tmpfiles.d/vbdd.conf
dist_sysctl_DATA = %D%/sysctl.d/vbdd.conf
dist_modulesload_DATA = %D%/modules-load.d/vbdd.conf
endif
EXTRA_DIST += %D%/block-vbdd.in %D%/vbdd.service.in
CLEANFILES += %D%/block-vbdd %D%/vbdd.service

xl_edit = $(AM_V_GEN)$(MKDIR_P) %D% && \
	sed -e 's,@bindir[@],$(bindir),g' -e 's,@sbindir[@],$(sbindir),g'
%D%/block-vbdd: $(srcdir)/%D%/block-vbdd.in Makefile
	$(xl_edit) $(srcdir)/%D%/block-vbdd.in > $@.tmp && \
	  chmod +x $@.tmp && mv $@.tmp $@
%D%/vbdd.service: $(srcdir)/%D%/vbdd.service.in Makefile
	$(xl_edit) $(srcdir)/%D%/vbdd.service.in > $@.tmp && mv $@.tmp $@
