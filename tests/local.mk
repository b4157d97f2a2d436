# SPDX-License-Identifier: MIT
# Each area's tests are declared in a fragment of their own.
include tests/unit/blkif.mk
include tests/unit/storage.mk
include tests/unit/local.mk
include tests/unit/engine.mk
include tests/unit/coherency.mk
include tests/unit/frontend.mk
include tests/unit/port-hvm.mk
include tests/unit/backend.mk
include tests/unit/disk.mk
include tests/unit/nbd.mk
include tests/unit/nbd-server.mk
include tests/unit/verify.mk
include tests/unit/xl.mk
include tests/conformance/local.mk
include tests/func/local.mk
include tests/vm/image/local.mk
include tests/vm/local.mk
include tests/coherency/local.mk
include tests/crash/local.mk
include tests/interop/local.mk
include tests/bench/local.mk
include tests/arch/local.mk
include tests/lab/local.mk
include tests/fuzz/local.mk
