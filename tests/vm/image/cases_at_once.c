/* SPDX-License-Identifier: MIT
 * Two paths write at the same time: one by DMA, which only has to be begun, the
 * other on the ring. */
#include <string.h>

#include "tests/vm/image/ata.h"
#include "tests/vm/image/cases.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/steps.h"

enum { ROUNDS = 16, SECTORS = 64 };

struct write {
    uint64_t sector;
    uint32_t nr_sectors;
    struct mark mark;
};

static int pv_error;

static void keep_error(struct vbdfront_io *io, int error)
{
    (void)io;
    pv_error = error;
}

static void begin_pv(struct vbdfront_io *io, const struct write *write)
{
    *io = (struct vbdfront_io){
        .op = VBDFRONT_WRITE, .sector = write->sector, .done = keep_error,
        .nr_sectors = write->nr_sectors, .data = buffer(2),
    };
    mark_fill(buffer(2), write->sector, write->nr_sectors, write->mark);
    vbdfront_submit(pv_front(), io);
    vbdfront_poll(pv_front());
}

static int begin_dma(const struct write *write)
{
    return ata_begin(ATA_DMA_WRITE, write->sector, write->nr_sectors,
                     buffer(3));
}

/* Both are under way before either is waited for; who is first changes. */
static enum verdict write_both(const struct write *dma, const struct write *pv,
                               unsigned round)
{
    static struct vbdfront_io io;
    int error;

    mark_fill(buffer(3), dma->sector, dma->nr_sectors, dma->mark);
    if (round % 2 == 0)
        begin_pv(&io, pv);
    error = begin_dma(dma);
    if (round % 2 != 0)
        begin_pv(&io, pv);
    if (!error)
        error = ata_end();
    MUST(!error, "ATA DMA does not write: error %u", (unsigned)-error);
    MUST(!pv_drain(), "PV does not answer");
    MUST(!pv_error, "PV does not write: error %u", (unsigned)-pv_error);
    return PASS;
}

static enum verdict is_either(const void *data, uint64_t sector,
                              struct mark one, struct mark other)
{
    for (unsigned i = 0; i < SECTORS; i++) {
        struct mark found = mark_read(
            (const uint8_t *)data + i * SECTOR_BYTES, sector + i);

        MUST(mark_is(found, one) || mark_is(found, other),
             "sector %llu is writer %u sequence %llu: neither was written",
             (unsigned long long)sector + i, found.writer,
             (unsigned long long)found.sequence);
    }
    return PASS;
}

static enum verdict one_truth(const struct vm_case *this)
{
    uint64_t area = new_area();

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct write dma = { area, SECTORS, mark_new(this->writer) };
        struct write pv = { area, SECTORS, mark_new(this->reader) };

        STEP(write_both(&dma, &pv, round));
        MUST(!this->writer->read(area, SECTORS, buffer(0)) &&
             !this->reader->read(area, SECTORS, buffer(1)), "a read fails");
        STEP(is_either(buffer(0), area, dma.mark, pv.mark));
        MUST(memcmp(buffer(0), buffer(1), SECTORS * SECTOR_BYTES) == 0,
             "round %u: the paths read different data", round);
    }
    return PASS;
}

/* Each writes every other sector of one block. */
static enum verdict both_stay(const struct vm_case *this)
{
    uint64_t area = new_area();

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t sector = area + 8 * round + round % 7;
        struct write dma = { sector, 1, mark_new(this->writer) };
        struct write pv = { sector + 1, 1, mark_new(this->reader) };

        STEP(write_both(&dma, &pv, round));
        STEP(see(this->reader, sector, 1, dma.mark));
        STEP(see(this->writer, sector + 1, 1, pv.mark));
        STEP(see(this->writer, sector, 1, dma.mark));
    }
    return PASS;
}

/* What one path reads while the other writes is old or new, and once it is
 * new it stays so. */
static enum verdict never_goes_back(const struct vm_case *this)
{
    uint64_t area = new_area();
    struct mark old = mark_new(this->reader);

    STEP(put(this->reader, area, SECTORS, old));
    for (unsigned round = 0; round < ROUNDS; round++) {
        static struct vbdfront_io io;
        struct write pv = { area, SECTORS, mark_new(this->reader) };

        begin_pv(&io, &pv);
        MUST(!this->writer->read(area, SECTORS, buffer(0)), "a read fails");
        MUST(!pv_drain() && !pv_error, "PV does not write");
        STEP(is_either(buffer(0), area, old, pv.mark));
        STEP(see(this->writer, area, SECTORS, pv.mark));
        old = pv.mark;
    }
    return PASS;
}

static const struct vm_case cases[] = {
    { "overlapping writes of ATA DMA and PV end in one truth", "C3, C4; WRITE "
      "DMA EXT, BLKIF_OP_WRITE", one_truth, &path_dma, &path_pv },
    { "ATA DMA and PV write sectors of one block at once, and both stay",
      "C4, C13; WRITE DMA EXT, BLKIF_OP_WRITE", both_stay, &path_dma,
      &path_pv },
    { "ATA DMA reads old or new while PV writes, then new", "C3; READ DMA EXT, "
      "BLKIF_OP_WRITE", never_goes_back, &path_dma, &path_pv },
};

void cases_at_once(void)
{
    tap_judge(cases, sizeof(cases) / sizeof(*cases));
}
