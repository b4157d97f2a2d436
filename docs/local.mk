# SPDX-License-Identifier: MIT
# Man pages are written in POD.
PODS = %D%/vbdd.pod %D%/vbdd-local.pod %D%/vbdd.conf.pod %D%/vbdctl.pod \
	%D%/vbdfront.pod %D%/vbddengines.pod %D%/vbdd-dd-verify.pod \
	%D%/vbdverify.pod %D%/block-vbdd.pod
EXTRA_DIST += $(PODS) %D%/ARCHITECTURE.md %D%/PROTOCOL.md %D%/TESTING.md

# For administrators, and what these refer to.
dist_doc_DATA = %D%/OPERATIONS.md %D%/MOVING.md %D%/FLUSH.md %D%/LIMITS.md \
	%D%/COHERENCY.md %D%/CONTROL.md %D%/THREAT-MODEL.md \
	%D%/PORTING.md %D%/STACKS.md
examplesdir = $(docdir)/examples
dist_examples_DATA = %D%/examples/blkback-beside-vbdd.rules \
	%D%/examples/disk-options.cfg %D%/examples/modprobe-vbdd.conf \
	%D%/examples/flush-vm.cfg %D%/examples/driver-domain.cfg %D%/examples/driver-domain-guest.cfg \
	%D%/examples/hvm-ahci.cfg %D%/examples/hvm-linux.cfg \
	%D%/examples/hvm-windows.cfg %D%/examples/pv-pygrub.cfg \
	%D%/examples/pvh-linux.cfg %D%/examples/shared-base-1.cfg \
	%D%/examples/shared-base-2.cfg

man_MANS += %D%/vbdd.8 %D%/vbdd-local.8 %D%/vbdd.conf.5 %D%/vbdctl.1 \
	%D%/vbdfront.1 %D%/vbddengines.7 %D%/vbdd-dd-verify.1 \
	%D%/vbdverify.1 %D%/block-vbdd.8
CLEANFILES += $(man_MANS)

SUFFIXES = .pod .1 .5 .7 .8
MAKE_MAN = page='$@'; $(MKDIR_P) $(@D) && \
	name=`basename $$page`; \
	$(POD2MAN) --center=vbdd --release='vbdd $(VERSION)' \
	  --section=$${name\#\#*.} --name=$${name%.*} $< $@
.pod.1:
	$(AM_V_GEN)$(MAKE_MAN)
.pod.5:
	$(AM_V_GEN)$(MAKE_MAN)
.pod.7:
	$(AM_V_GEN)$(MAKE_MAN)
.pod.8:
	$(AM_V_GEN)$(MAKE_MAN)
