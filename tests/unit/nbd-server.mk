# SPDX-License-Identifier: MIT
# The NBD server in the worker.
NBD_SERVER_TESTS = nbd-commands nbd-order nbd-hostile nbd-handover nbd-cost
check_PROGRAMS += $(NBD_SERVER_TESTS)
TESTS += $(NBD_SERVER_TESTS)
nbd_rig = %D%/nbd-rig.h %D%/nbd-client.h %D%/disk-rig.h %D%/disk-guest.h
nbd_commands_SOURCES = %D%/nbd-commands.c $(nbd_rig)
nbd_commands_CFLAGS = $(disk_ring_CFLAGS)
nbd_commands_LDADD = $(disk_ring_LDADD)
EXTRA_nbd_commands_DEPENDENCIES = vbdd-disk vbdd-local
nbd_order_SOURCES = %D%/nbd-order.c $(nbd_rig)
nbd_order_CFLAGS = $(disk_ring_CFLAGS)
nbd_order_LDADD = $(disk_ring_LDADD)
EXTRA_nbd_order_DEPENDENCIES = vbdd-disk vbdd-local
nbd_hostile_SOURCES = %D%/nbd-hostile.c %D%/process.h $(nbd_rig)
nbd_hostile_CFLAGS = $(disk_ring_CFLAGS)
nbd_hostile_LDADD = $(disk_ring_LDADD) -lpthread
EXTRA_nbd_hostile_DEPENDENCIES = vbdd-disk vbdd-local
nbd_handover_SOURCES = %D%/nbd-handover.c %D%/process.h $(nbd_rig)
nbd_handover_CFLAGS = $(disk_ring_CFLAGS)
nbd_handover_LDADD = $(disk_ring_LDADD)
EXTRA_nbd_handover_DEPENDENCIES = vbdd-disk vbdd-local
nbd_cost_SOURCES = %D%/nbd-cost.c $(nbd_rig)
nbd_cost_CFLAGS = $(disk_ring_CFLAGS)
nbd_cost_LDADD = $(disk_ring_LDADD)
EXTRA_nbd_cost_DEPENDENCIES = vbdd-disk vbdd-local
