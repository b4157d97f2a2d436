# SPDX-License-Identifier: MIT
# The flush-correctness VM: a disk's first sectors.
if PORT_HVM
noinst_PROGRAMS += flush-vm.bin
flush_vm_bin_SOURCES = %D%/boot.S %D%/main.c %D%/machine.c %D%/ata.c \
	%D%/path.c %D%/pv.c %D%/tap.c %D%/steps.c %D%/control.c \
	%D%/cases_paths.c %D%/cases_at_once.c %D%/cases_durable.c \
	%D%/cases_ring.c %D%/cases_handover.c tools/stamp/stamp.c \
	%D%/ata.h %D%/cases.h %D%/control.h %D%/machine.h %D%/memory.h \
	%D%/path.h %D%/pv.h %D%/steps.h %D%/tap.h \
	%D%/include/endian.h %D%/include/string.h
flush_vm_bin_CPPFLAGS = -I$(srcdir)/%D%/include $(AM_CPPFLAGS)
flush_vm_bin_CFLAGS = $(WARN_CFLAGS) $(PORT_HVM_CFLAGS)
flush_vm_bin_CCASFLAGS = -m32
flush_vm_bin_LDFLAGS = -m32 -nostdlib -static \
	-Wl,--build-id=none -Wl,-T,$(srcdir)/%D%/image.ld
flush_vm_bin_LDADD = libvbdfront-hvm.a
flush_vm_bin_DEPENDENCIES = libvbdfront-hvm.a %D%/image.ld
endif
EXTRA_DIST += %D%/image.ld
