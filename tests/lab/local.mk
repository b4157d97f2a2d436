# SPDX-License-Identifier: MIT
# Guests on a real Xen, under emulation: minutes, not seconds, so not in
# `make check` but in `make check-lab` (quickcheck runs both).
LAB_TESTS = %D%/a-pvh-guest-uses-our-disk.sh \
	%D%/a-linux-guest-uses-every-ring-feature.sh \
	%D%/an-hvm-guest-changes-paths.sh \
	%D%/a-guest-outlives-vbdd.sh \
	%D%/two-volumes-side-by-side.sh %D%/saved-and-migrated.sh \
	%D%/xl-flows.sh %D%/xl-failures.sh %D%/create-and-destroy.sh \
	%D%/under-systemd.sh %D%/a-host-shuts-down.sh \
	%D%/an-administrator-has-only-the-man-pages.sh
# By name, with CASE=: the emulation loses the first one's guest too often; the
# others have not passed as a whole yet.
LAB_NAMED = %D%/grub-boots-from-our-disk.sh \
	%D%/the-driver-without-an-operating-system.sh \
	%D%/vbdfront-in-a-linux-guest.sh \
	%D%/flushes-that-fail.sh %D%/power-cut.sh \
	%D%/the-flush-correctness-vm.sh %D%/the-vm-catches-bugs.sh \
	%D%/what-other-stacks-keep.sh
EXTRA_DIST += $(LAB_TESTS) $(LAB_NAMED) %D%/lab %D%/lib.sh %D%/initrd.sh \
	%D%/dom0-init \
	%D%/dom0-lib.sh %D%/guest-init %D%/guest-job.sh %D%/dom0-pvh.sh \
	%D%/guest-rings.sh %D%/dom0-rings.sh \
	%D%/guest-restart.sh %D%/dom0-restart.sh \
	%D%/dom0-volumes.sh %D%/dom0-admin.sh %D%/guest-admin.sh %D%/README.md \
	%D%/shell %D%/dom0-shell %D%/debian/image.sh %D%/debian/init \
	%D%/debian/run %D%/debian/lab.service %D%/stamps \
	%D%/dom0-guests.sh %D%/dom0-hvm.sh %D%/dom0-grub.sh %D%/guest-use.sh \
	%D%/guest-both.sh %D%/boot-disk.sh \
	%D%/dom0-checks.sh %D%/guest-led.sh %D%/dom0-flows.sh \
	%D%/dom0-saved.sh %D%/dom0-failures.sh %D%/dom0-rounds.sh \
	%D%/dom0-units.sh %D%/dom0-systemd.sh %D%/dom0-shutdown.sh \
	%D%/dom0-front.sh %D%/dom0-bare.sh %D%/dom0-cuts.sh \
	%D%/dom0-flush-failure.sh %D%/guest-fsync \
	%D%/vm.sh %D%/dom0-vm.sh %D%/dom0-vm-bugs.sh %D%/next-bug \
	%D%/dom0-vm-stacks.sh

# What runs in guests there, and writes and checks stamps in dom0.
lab_helpers = %D%/stampload vbdd-disk-bugs vbdverify \
	tests/crash/logreplay tests/crash/vbdverify-raw
check_PROGRAMS += %D%/stampload
%C%_stampload_SOURCES = %D%/stampload.c
%C%_stampload_LDADD = libstamp.a
if WITH_XEN
lab_helpers += %D%/softreset tests/conformance/conformance-guest
check_PROGRAMS += %D%/softreset
%C%_softreset_SOURCES = %D%/softreset.c
endif

# all of them, or those that CASE names: make check-lab CASE=under-systemd
check-lab: all $(lab_helpers) vbdd-disk-bugs
	set --; for name in $(CASE); do set -- "$$@" "%D%/$$name.sh"; done; \
	$(MAKE) check-TESTS TESTS="$${*:-$(LAB_TESTS)}"

# with more rounds, where there are rounds
check-lab-long:
	LAB_LONG=1 $(MAKE) check-lab

# a shell in dom0: make lab-shell LAB="--image debian --enable vbdd.service"
lab-shell: all
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	  $(srcdir)/%D%/shell $(LAB)

distclean-local:
	rm -rf lab-cache
.PHONY: check-lab check-lab-long lab-shell
