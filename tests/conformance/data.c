/* SPDX-License-Identifier: MIT
 * Stamped data: every 512 bytes say which sector they are and by which
 * operation of the run they were written (the seed), and have a checksum
 * (tools/stamp/stamp.h). */
#include "tests/conformance/conformance.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "tools/stamp/stamp.h"

enum {
    DATA_PAGES = MOST_IN_FLIGHT,
    LOW_PAGES = 4096, /* left to the driver, who looks there first */
    GUARD = 0x5a,
    UNDONE = 1,
};
_Static_assert(DATA_PAGES > DISK_SECTORS / PAGE_SECTORS,
               "a whole disk, wherever in a page it begins");

static const uint64_t patience_us = 20000000;

uint64_t data_operations, data_sectors;

static uint8_t *out, *in; /* what is written, and what is read */
static uint64_t randomness;

/* Operations that are not answered outlive the step that gave them up. */
static struct vbdfront_io ios[MOST_IN_FLIGHT];
static int results[MOST_IN_FLIGHT];

const char *say(const char *format, ...)
{
    static char sentence[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return sentence;
}

void data_open(void)
{
    void *context = world_port->context;
    void *low = world_port->page_alloc(context, LOW_PAGES);

    out = world_port->page_alloc(context, DATA_PAGES);
    in = world_port->page_alloc(context, DATA_PAGES);
    REQUIRE(low && out && in);
    world_port->page_free(context, low, LOW_PAGES);
    randomness = tap_seed();
}

static uint64_t any_below(uint64_t end)
{
    randomness = randomness * 6364136223846793005u + 1442695040888963407u;
    return (randomness >> 33) % end;
}

struct place data_place(uint32_t nr_sectors, uint32_t page_sector,
                        unsigned unit)
{
    nr_sectors = (nr_sectors + unit - 1) / unit * unit;
    return (struct place){
        .sector = any_below((DISK_SECTORS - nr_sectors) / unit + 1) * unit,
        .nr_sectors = nr_sectors, .page_sector = page_sector / unit * unit };
}

/* --- operations ---------------------------------------------------------- */

static void take_result(struct vbdfront_io *io, int error)
{
    results[io - ios] = error;
}

/* pages: where the data is, if there is any. */
static void submit(struct vbdfront *front, unsigned i, enum vbdfront_op op,
                   unsigned flags, struct place place, uint8_t *pages)
{
    ios[i] = (struct vbdfront_io){
        .op = op, .flags = flags, .sector = place.sector,
        .nr_sectors = place.nr_sectors, .done = take_result,
        .data = pages ? pages + (size_t)place.page_sector * SECTOR : NULL };
    results[i] = UNDONE;
    data_operations++;
    vbdfront_submit(front, &ios[i]);
}

static const char *finish(struct vbdfront *front, unsigned nr, int wanted)
{
    if (vbdfront_drain(front, patience_us) != 0)
        return say("%u of %u operations are not answered",
                   vbdfront_in_flight(front), nr);
    for (unsigned i = 0; i < nr; i++) {
        if (results[i] != wanted)
            return say("operation %u of %u, of %u sectors at %llu: %s", i, nr,
                       ios[i].nr_sectors, (unsigned long long)ios[i].sector,
                       strerror(-results[i]));
    }
    return NULL;
}

const char *data_do(struct vbdfront *front, enum vbdfront_op op,
                    unsigned flags, struct place place, int error)
{
    submit(front, 0, op, flags, place,
           op == VBDFRONT_DISCARD || !place.nr_sectors ? NULL : in);
    return finish(front, 1, error);
}

/* What is less than a granule is as before where that is promised, too. */
void data_forget(struct disk *disk, struct place place, uint32_t granule)
{
    uint64_t first = place.sector, end = place.sector + place.nr_sectors;

    if (disk->discards_to_zeros) {
        first = (first + granule - 1) / granule * granule;
        end = end / granule * granule;
    }
    for (; first < end; first++)
        disk->seeds[first] = disk->discards_to_zeros ? 0 : DATA_ANYTHING;
}

/* --- stamps -------------------------------------------------------------- */

static void stamp_place(struct disk *disk, struct place place, uint8_t *pages)
{
    uint8_t *data = pages + (size_t)place.page_sector * SECTOR;
    uint64_t seed = ++disk->nr_seeds;

    for (uint32_t i = 0; i < place.nr_sectors; i++) {
        stamp_fill(data + (size_t)i * SECTOR,
                   &(struct stamp){ .sequence = seed,
                                    .sector = place.sector + i });
        disk->seeds[place.sector + i] = seed;
    }
}

static bool is_all(const uint8_t *bytes, size_t nr, uint8_t value)
{
    return nr == 0 || (bytes[0] == value &&
                       memcmp(bytes, bytes + 1, nr - 1) == 0);
}

static const char *check_sector(const struct disk *disk, uint64_t sector,
                                const uint8_t *data)
{
    uint64_t seed = disk->seeds[sector];
    unsigned long long number = sector;
    struct stamp found;

    data_sectors++;
    if (seed == DATA_ANYTHING)
        return NULL;
    if (!seed)
        return is_all(data, SECTOR, 0)
                   ? NULL : say("sector %llu is not zeros", number);
    if (stamp_look(data, &found) != STAMP_GOOD)
        return say("sector %llu has no whole stamp", number);
    if (found.sector != sector)
        return say("sector %llu has the data of sector %llu", number,
                   (unsigned long long)found.sector);
    if (found.sequence != seed)
        return say("sector %llu has the data of write %llu, not of %llu",
                   number, (unsigned long long)found.sequence,
                   (unsigned long long)seed);
    return NULL;
}

/* The data, and what surrounds it in its first and last page (C15). */
static const char *check_pages(const struct disk *disk, struct place place,
                               const uint8_t *pages)
{
    size_t start = (size_t)place.page_sector * SECTOR;
    size_t end = start + (size_t)place.nr_sectors * SECTOR;
    const char *why = NULL;

    for (uint32_t i = 0; i < place.nr_sectors && !why; i++)
        why = check_sector(disk, place.sector + i,
                           pages + start + (size_t)i * SECTOR);
    if (!why && (!is_all(pages, start, GUARD) ||
                 !is_all(pages + end, (PAGE - end % PAGE) % PAGE, GUARD)))
        why = say("a READ of %u sectors has written beside them",
                  place.nr_sectors);
    return why;
}

static void put_guard(uint8_t *pages, struct place place)
{
    size_t sectors = place.page_sector + (size_t)place.nr_sectors;

    memset(pages, GUARD, (sectors + PAGE_SECTORS - 1) / PAGE_SECTORS * PAGE);
}

/* --- one at a time ------------------------------------------------------- */

const char *data_write(struct disk *disk, struct vbdfront *front,
                       enum vbdfront_op op, unsigned flags,
                       struct place place)
{
    stamp_place(disk, place, out);
    submit(front, 0, op, flags, place, out);
    return finish(front, 1, 0);
}

const char *data_read(struct disk *disk, struct vbdfront *front,
                      struct place place)
{
    const char *why;

    put_guard(in, place);
    submit(front, 0, VBDFRONT_READ, 0, place, in);
    why = finish(front, 1, 0);
    return why ? why : check_pages(disk, place, in);
}

const char *data_read_all(struct disk *disk, struct vbdfront *front)
{
    return data_read(disk, front,
                     (struct place){ .nr_sectors = DISK_SECTORS });
}

/* --- many at once -------------------------------------------------------- */

static uint8_t *page_of(uint8_t *pages, unsigned i)
{
    return pages + (size_t)i * PAGE;
}

/* The i-th place: all units come by before one comes twice, because their
 * number is a power of two and the step is odd. */
static struct place place_of(unsigned i, uint64_t start, unsigned unit)
{
    enum { STEP = 1237 };

    return (struct place){
        .sector = (start + i * (uint64_t)STEP) % (DISK_SECTORS / unit) * unit,
        .nr_sectors = unit,
        .page_sector = i * 5 % PAGE_SECTORS / unit * unit };
}

/* Two writes at once may be done in any order: so none of the same place. */
const char *data_write_many(struct disk *disk, struct vbdfront *front,
                            unsigned nr, unsigned unit)
{
    uint64_t start = any_below(DISK_SECTORS / unit);

    if (nr > DISK_SECTORS / unit)
        nr = DISK_SECTORS / unit;
    for (unsigned i = 0; i < nr; i++) {
        struct place place = place_of(i, start, unit);

        stamp_place(disk, place, page_of(out, i));
        submit(front, i, VBDFRONT_WRITE, 0, place, page_of(out, i));
    }
    return finish(front, nr, 0);
}

const char *data_read_many(struct disk *disk, struct vbdfront *front,
                           unsigned nr, unsigned unit)
{
    uint64_t start = any_below(DISK_SECTORS / unit);
    const char *why;

    for (unsigned i = 0; i < nr; i++) {
        struct place place = place_of(i, start, unit);

        put_guard(page_of(in, i), place);
        submit(front, i, VBDFRONT_READ, 0, place, page_of(in, i));
    }
    why = finish(front, nr, 0);
    for (unsigned i = 0; i < nr && !why; i++)
        why = check_pages(disk, place_of(i, start, unit), page_of(in, i));
    return why;
}
