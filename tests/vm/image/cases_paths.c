/* SPDX-License-Identifier: MIT
 * One path writes, another one looks: it sees that at once, wherever on the
 * disk, and nothing beside it has changed. */
#include "tests/vm/image/cases.h"
#include "tests/vm/image/control.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/steps.h"

enum { SECTOR_OF_2007 = 2958215 };

/* Whoever keeps what he has read is found out by that: the reader reads before
 * the writer writes. */
static enum verdict sees_new(const struct vm_case *this, uint64_t sector,
                             uint32_t nr_sectors)
{
    struct mark old = mark_new(this->writer), new = mark_new(this->writer);

    STEP(put(this->writer, sector, nr_sectors, old));
    STEP(see(this->reader, sector, nr_sectors, old));
    STEP(put(this->writer, sector, nr_sectors, new));
    return see(this->reader, sector, nr_sectors, new);
}

static enum verdict seen_at_once(const struct vm_case *this)
{
    uint64_t area = new_area();

    if (disk_sectors() > SECTOR_OF_2007)
        STEP(sees_new(this, SECTOR_OF_2007, 1));
    STEP(sees_new(this, area + 3, 8));
    return sees_new(this, disk_sectors() - 1, 1);
}

static enum verdict seen_whole(const struct vm_case *this)
{
    return sees_new(this, new_area(), BUFFER_SECTORS);
}

static enum verdict on_the_device(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();

    STEP(put(this->writer, area, 8, mark));
    return control_see(area, 8, mark);
}

/* The driver of the PV path knows the disk's end: so it is made to believe in
 * one further on, and it is the back end that refuses. */
static enum verdict refuses_beyond(const struct vm_case *this)
{
    struct mark last = mark_new(this->writer), late = mark_new(this->writer);
    uint64_t end = disk_sectors();
    bool is_pv = this->writer == &path_pv;
    int error;

    STEP(put(this->writer, end - 1, 1, last));
    mark_fill(buffer(0), end, 8, late);
    if (is_pv)
        pv_pretend_sectors(end + 2048);
    error = this->writer->write(end, 8, buffer(0));
    if (is_pv)
        pv_pretend_sectors(end);
    MUST(error, "sector %llu is beyond the end, and is written",
         (unsigned long long)end);
    return see(this->writer, end - 1, 1, last);
}

/* Within one block, and with half a block at either end. */
static enum verdict leaves_neighbours(const struct vm_case *this)
{
    struct mark around = mark_new(this->reader), in = mark_new(this->writer);
    uint64_t area = new_area();

    STEP(put(this->reader, area, 64, around));
    STEP(put(this->writer, area + 13, 1, in));
    STEP(put(this->writer, area + 20, 16, in));
    STEP(see(this->reader, area, 13, around));
    STEP(see(this->reader, area + 13, 1, in));
    STEP(see(this->reader, area + 14, 6, around));
    STEP(see(this->reader, area + 20, 16, in));
    return see(this->reader, area + 36, 28, around);
}

static const struct vm_case cases[] = {
    { "int13's write is seen by ATA PIO at once", "C3; int13 43h, READ "
      "SECTORS EXT", seen_at_once, &path_int13, &path_pio },
    { "ATA PIO's write is seen by int13 at once", "C3; WRITE SECTORS EXT, "
      "int13 42h", seen_at_once, &path_pio, &path_int13 },
    { "ATA DMA's write is seen by ATA PIO at once", "C3; WRITE DMA EXT, READ "
      "SECTORS EXT", seen_at_once, &path_dma, &path_pio },
    { "ATA PIO's write is seen by ATA DMA at once", "C3; WRITE SECTORS EXT, "
      "READ DMA EXT", seen_at_once, &path_pio, &path_dma },
    { "int13's write is seen by PV at once", "C3; int13 43h, BLKIF_OP_READ",
      seen_at_once, &path_int13, &path_pv },
    { "ATA PIO's write is seen by PV at once", "C3; WRITE SECTORS EXT, "
      "BLKIF_OP_READ", seen_at_once, &path_pio, &path_pv },
    { "ATA DMA's write is seen by PV at once", "C3; WRITE DMA EXT, "
      "BLKIF_OP_READ", seen_at_once, &path_dma, &path_pv },
    { "PV's write is seen by int13 at once", "C3; BLKIF_OP_WRITE, int13 42h",
      seen_at_once, &path_pv, &path_int13 },
    { "PV's write is seen by ATA PIO at once", "C3; BLKIF_OP_WRITE, READ "
      "SECTORS EXT", seen_at_once, &path_pv, &path_pio },
    { "PV's write is seen by ATA DMA at once", "C3; BLKIF_OP_WRITE, READ DMA "
      "EXT", seen_at_once, &path_pv, &path_dma },

    { "1 MiB by ATA DMA is seen whole by PV", "C3, C15; WRITE DMA EXT, "
      "feature-max-indirect-segments", seen_whole, &path_dma, &path_pv },
    { "1 MiB by PV is seen whole by ATA DMA", "C3, C15; "
      "feature-max-indirect-segments, READ DMA EXT", seen_whole, &path_pv,
      &path_dma },

    { "int13's write is on the device when it is answered", "C2; int13 43h",
      on_the_device, &path_int13, NULL },
    { "ATA PIO's write is on the device when it is answered", "C2; WRITE "
      "SECTORS EXT", on_the_device, &path_pio, NULL },
    { "ATA DMA's write is on the device when it is answered", "C2; WRITE DMA "
      "EXT", on_the_device, &path_dma, NULL },
    { "PV's write is on the device when it is answered", "C2; "
      "BLKIF_OP_WRITE", on_the_device, &path_pv, NULL },

    { "int13 is refused a write beyond the end", "C15; int13 43h",
      refuses_beyond, &path_int13, NULL },
    { "ATA DMA is refused a write beyond the end", "C15; WRITE DMA EXT",
      refuses_beyond, &path_dma, NULL },
    { "PV is refused a write beyond the end", "C15; sectors",
      refuses_beyond, &path_pv, NULL },

    { "ATA PIO writes a sector and leaves those beside it", "C13; WRITE "
      "SECTORS EXT", leaves_neighbours, &path_pio, &path_dma },
    { "ATA DMA writes sectors and leaves those beside them", "C13; WRITE DMA "
      "EXT", leaves_neighbours, &path_dma, &path_pio },
    { "int13 writes a sector and leaves those that PV wrote beside it",
      "C13; int13 43h", leaves_neighbours, &path_int13, &path_pv },
    { "ATA DMA writes a sector and leaves those that PV wrote beside it",
      "C13; WRITE DMA EXT", leaves_neighbours, &path_dma, &path_pv },
    { "PV writes a sector and leaves those that ATA DMA wrote beside it",
      "C13; physical-sector-size", leaves_neighbours, &path_pv, &path_dma },
};

void cases_paths(void)
{
    tap_judge(cases, sizeof(cases) / sizeof(*cases));
}
