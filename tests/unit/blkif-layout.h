/* SPDX-License-Identifier: MIT
 * Where the fields of ring entries stand, written down by hand, and held
 * against the structs of Xen's header as the compiler in use lays them out:
 * the numbers of I386 when it compiles for i386 (tests/arch/check-freestanding.sh),
 * else those of LP64. */
#ifndef VBDD_TESTS_BLKIF_LAYOUT_H
#define VBDD_TESTS_BLKIF_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

/* In every request. */
enum { LAYOUT_OPERATION = 0, LAYOUT_I386_ID = 4, LAYOUT_LP64_ID = 8,
       LAYOUT_I386_SECTOR = 12, LAYOUT_LP64_SECTOR = 16 };
/* In READ, WRITE, WRITE_BARRIER, FLUSH_DISKCACHE. */
enum { LAYOUT_NR_SEGMENTS = 1, LAYOUT_HANDLE = 2,
       LAYOUT_I386_SEGMENTS = 20, LAYOUT_LP64_SEGMENTS = 24 };
/* In DISCARD. */
enum { LAYOUT_I386_NR_SECTORS = 20, LAYOUT_LP64_NR_SECTORS = 24 };
/* In INDIRECT: the handle comes after the sector number. */
enum { LAYOUT_INDIRECT_OPERATION = 1, LAYOUT_NR_INDIRECT = 2,
       LAYOUT_I386_INDIRECT_HANDLE = 20, LAYOUT_LP64_INDIRECT_HANDLE = 24,
       LAYOUT_I386_GREFS = 24, LAYOUT_LP64_GREFS = 28 };
enum { LAYOUT_I386_REQUEST_BYTES = 108, LAYOUT_LP64_REQUEST_BYTES = 112,
       LAYOUT_I386_RESPONSE_BYTES = 12, LAYOUT_LP64_RESPONSE_BYTES = 16 };

#ifdef __i386__
#define LAYOUT(what) LAYOUT_I386_##what
#else
#define LAYOUT(what) LAYOUT_LP64_##what
#endif
#define LAYOUT_IS(type, member, offset)                                      \
    _Static_assert(offsetof(struct type, member) == (offset), "blkif.h")

LAYOUT_IS(blkif_request, operation, LAYOUT_OPERATION);
LAYOUT_IS(blkif_request, nr_segments, LAYOUT_NR_SEGMENTS);
LAYOUT_IS(blkif_request, handle, LAYOUT_HANDLE);
LAYOUT_IS(blkif_request, id, LAYOUT(ID));
LAYOUT_IS(blkif_request, sector_number, LAYOUT(SECTOR));
LAYOUT_IS(blkif_request, seg, LAYOUT(SEGMENTS));
LAYOUT_IS(blkif_request_discard, flag, LAYOUT_NR_SEGMENTS);
LAYOUT_IS(blkif_request_discard, handle, LAYOUT_HANDLE);
LAYOUT_IS(blkif_request_discard, id, LAYOUT(ID));
LAYOUT_IS(blkif_request_discard, sector_number, LAYOUT(SECTOR));
LAYOUT_IS(blkif_request_discard, nr_sectors, LAYOUT(NR_SECTORS));
LAYOUT_IS(blkif_request_indirect, operation, LAYOUT_OPERATION);
LAYOUT_IS(blkif_request_indirect, indirect_op, LAYOUT_INDIRECT_OPERATION);
LAYOUT_IS(blkif_request_indirect, nr_segments, LAYOUT_NR_INDIRECT);
LAYOUT_IS(blkif_request_indirect, id, LAYOUT(ID));
LAYOUT_IS(blkif_request_indirect, sector_number, LAYOUT(SECTOR));
LAYOUT_IS(blkif_request_indirect, handle, LAYOUT(INDIRECT_HANDLE));
LAYOUT_IS(blkif_request_indirect, indirect_grefs, LAYOUT(GREFS));
_Static_assert(sizeof(struct blkif_request) == LAYOUT(REQUEST_BYTES) &&
               sizeof(union blkif_sring_entry) == LAYOUT(REQUEST_BYTES) &&
               sizeof(struct blkif_response) == LAYOUT(RESPONSE_BYTES),
               "blkif.h");

#endif
