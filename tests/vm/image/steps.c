/* SPDX-License-Identifier: MIT
 * Stamped sectors. */
#include "tests/vm/image/machine.h"
#include "tests/vm/image/memory.h"
#include "tests/vm/image/steps.h"
#include "tools/stamp/stamp.h"

enum { FIRST_AREA = 8192, AREA_SECTORS = 2048 };

static uint64_t nr_disk_sectors, next_area = FIRST_AREA, last_sequence;
static uint32_t run;

void *buffer(unsigned number)
{
    return (char *)DATA_BUFFERS + number * BUFFER_SECTORS * SECTOR_BYTES;
}

void steps_start(uint64_t nr_sectors)
{
    nr_disk_sectors = nr_sectors;
    run = clock_any_number();
    last_sequence = run;
}

uint64_t disk_sectors(void)
{
    return nr_disk_sectors;
}

uint64_t new_area(void)
{
    uint64_t area = next_area;

    next_area += AREA_SECTORS;
    if (next_area + AREA_SECTORS > nr_disk_sectors)
        next_area = FIRST_AREA;
    return area;
}

struct mark mark_new(const struct path *path)
{
    return (struct mark){ path->writer, ++last_sequence };
}

void mark_fill(void *data, uint64_t sector, uint32_t nr_sectors,
               struct mark mark)
{
    for (uint32_t i = 0; i < nr_sectors; i++) {
        struct stamp stamp = { .writer = mark.writer, .run = run,
                               .sequence = mark.sequence,
                               .sector = sector + i };

        stamp_fill((uint8_t *)data + i * SECTOR_BYTES, &stamp);
    }
}

struct mark mark_read(const void *data, uint64_t sector)
{
    struct stamp stamp;

    if (stamp_look(data, &stamp) == STAMP_GOOD && stamp.sector == sector &&
        stamp.run == run)
        return (struct mark){ stamp.writer, stamp.sequence };
    return (struct mark){ 0, 0 };
}

bool mark_is(struct mark one, struct mark other)
{
    return one.writer == other.writer && one.sequence == other.sequence;
}

enum verdict mark_check(const struct path *path, const void *data,
                        uint64_t sector, uint32_t nr_sectors,
                        struct mark mark)
{
    for (uint32_t i = 0; i < nr_sectors; i++) {
        struct mark found = mark_read((const uint8_t *)data + i * SECTOR_BYTES,
                                      sector + i);

        MUST(mark_is(found, mark),
             "%s reads sector %llu: writer %u sequence %llu instead of writer "
             "%u sequence %llu", path->name, (unsigned long long)sector + i,
             found.writer, (unsigned long long)found.sequence, mark.writer,
             (unsigned long long)mark.sequence);
    }
    return PASS;
}

static uint32_t piece_of(const struct path *path, uint32_t nr_sectors)
{
    return nr_sectors < path->max_sectors ? nr_sectors : path->max_sectors;
}

enum verdict put(const struct path *path, uint64_t sector,
                 uint32_t nr_sectors, struct mark mark)
{
    while (nr_sectors > 0) {
        uint32_t piece = piece_of(path, nr_sectors);
        int error;

        mark_fill(buffer(0), sector, piece, mark);
        error = path->write(sector, piece, buffer(0));
        MUST(!error, "%s does not write sector %llu: error %u", path->name,
             (unsigned long long)sector, (unsigned)-error);
        sector += piece;
        nr_sectors -= piece;
    }
    return PASS;
}

enum verdict see(const struct path *path, uint64_t sector,
                 uint32_t nr_sectors, struct mark mark)
{
    while (nr_sectors > 0) {
        uint32_t piece = piece_of(path, nr_sectors);
        int error = path->read(sector, piece, buffer(1));

        MUST(!error, "%s does not read sector %llu: error %u", path->name,
             (unsigned long long)sector, (unsigned)-error);
        STEP(mark_check(path, buffer(1), sector, piece, mark));
        sector += piece;
        nr_sectors -= piece;
    }
    return PASS;
}
