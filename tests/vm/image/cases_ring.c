/* SPDX-License-Identifier: MIT
 * What the ring alone has, and that the emulated disk sees what came of it:
 * many requests, discards, a vbd that may only be read. */
#include "tests/vm/image/ata.h"
#include "tests/vm/image/cases.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/steps.h"

enum { NR_IOS = 256, TURNS = 4, DISCARDED = 1024 };

static struct vbdfront_io ios[NR_IOS];
static unsigned nr_done, nr_failed;

static void count(struct vbdfront_io *io, int error)
{
    (void)io;
    nr_done++;
    nr_failed += error != 0;
}

/* More requests than the ring has slots, and that several times over, each a
 * sector that no other one has. */
static enum verdict ring_wraps(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();
    unsigned slots = vbdfront_info(pv_front())->ring_slots, total = 0;

    mark_fill(buffer(0), area, BUFFER_SECTORS, mark);
    nr_done = nr_failed = 0;
    for (; total < TURNS * slots && total < BUFFER_SECTORS; total += NR_IOS) {
        for (unsigned i = 0; i < NR_IOS; i++) {
            ios[i] = (struct vbdfront_io){
                .op = VBDFRONT_WRITE, .sector = area + total + i,
                .nr_sectors = 1, .done = count,
                .data = (char *)buffer(0) + (total + i) * SECTOR_BYTES,
            };
            vbdfront_submit(pv_front(), &ios[i]);
        }
        MUST(!pv_drain(), "PV does not answer");
    }
    MUST(nr_done == total && nr_failed == 0, "%u of %u were answered, %u with "
         "an error", nr_done, total, nr_failed);
    return see(this->reader, area, total, mark);
}

/* What is discarded may hold anything, what is around it may not. */
static enum verdict stays_around(const struct vm_case *this, uint64_t area,
                                 struct mark around)
{
    struct mark new = mark_new(this->writer);
    uint32_t side = (BUFFER_SECTORS - DISCARDED) / 2;

    STEP(see(this->reader, area, side, around));
    STEP(see(this->reader, area + side + DISCARDED, side, around));
    STEP(put(this->writer, area + side, DISCARDED, new));
    return see(this->reader, area + side, DISCARDED, new);
}

static enum verdict pv_discards(const struct vm_case *this)
{
    struct mark around = mark_new(this->reader);
    uint64_t area = new_area();
    int error;

    NEEDS(vbdfront_info(pv_front())->has_discard,
          "the back end offers no discard");
    STEP(put(this->reader, area, BUFFER_SECTORS, around));
    error = pv_do(VBDFRONT_DISCARD, 0,
                  area + (BUFFER_SECTORS - DISCARDED) / 2, DISCARDED, NULL);
    MUST(!error, "DISCARD fails: error %u", (unsigned)-error);
    return stays_around(this, area, around);
}

static enum verdict ata_trims(const struct vm_case *this)
{
    struct mark around = mark_new(this->reader);
    uint64_t area = new_area(), *range = buffer(0);
    int error;

    NEEDS(ata_info()->has_trim, "the emulated disk offers no TRIM");
    STEP(put(this->reader, area, BUFFER_SECTORS, around));
    for (unsigned i = 0; i < SECTOR_BYTES / sizeof(*range); i++)
        range[i] = 0;
    range[0] = (area + (BUFFER_SECTORS - DISCARDED) / 2) |
               (uint64_t)DISCARDED << 48;
    error = ata_do(ATA_TRIM, 0, 1, range);
    MUST(!error, "TRIM fails: error %u", (unsigned)-error);
    return stays_around(this, area, around);
}

/* The driver would refuse by itself, so it is not told: the back end does. */
static enum verdict refuses_writes(struct vbdfront *front)
{
    struct mark mark = mark_new(&path_pv);
    int error;

    NEEDS(vbdfront_info(front)->read_only, "the second disk may be written");
    MUST(!vbdfront_do(front, VBDFRONT_READ, 0, 4096, 8, buffer(1)),
         "it cannot be read");
    pv_pretend_writable(front);
    mark_fill(buffer(0), 4096, 8, mark);
    error = vbdfront_do(front, VBDFRONT_WRITE, 0, 4096, 8, buffer(0));
    MUST(error, "a write succeeds");
    MUST(!vbdfront_do(front, VBDFRONT_READ, 0, 4096, 8, buffer(1)),
         "it cannot be read any more");
    MUST(!mark_is(mark_read(buffer(1), 4096), mark), "a write was carried out");
    return PASS;
}

static enum verdict read_only(const struct vm_case *this)
{
    struct vbdfront *front;
    enum verdict verdict;

    (void)this;
    NEEDS(!pv_open_second(&front), "there is no second disk");
    verdict = refuses_writes(front);
    vbdfront_close(front);
    return verdict;
}

static const struct vm_case cases[] = {
    { "the ring wraps, and each request is answered once", "C15; "
      "ring-page-order", ring_wraps, &path_pv, &path_dma },
    { "PV discards, and what is around it stays", "C10; feature-discard",
      pv_discards, &path_pv, &path_dma },
    { "ATA trims, and what is around it stays", "C10; DATA SET MANAGEMENT",
      ata_trims, &path_dma, &path_pv },
    { "a read-only vbd refuses writes and leaves the disk as it is",
      "C9; mode", read_only, NULL, &path_pv },
};

void cases_ring(void)
{
    tap_judge(cases, sizeof(cases) / sizeof(*cases));
}
