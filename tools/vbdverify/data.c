/* SPDX-License-Identifier: MIT
 * Stamps: the data of a write, and what a sector says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"
#include "tools/stamp/stamp.h"
#include "tools/vbdverify/vbdverify.h"

void data_fill(const struct operation *operation, uint32_t run, uint8_t *data)
{
    struct stamp stamp = { .writer = operation->path + 1,
                           .sequence = operation->sequence, .run = run };

    for (uint32_t i = 0; i < operation->nr_sectors; i++) {
        stamp.sector = operation->sector + i;
        stamp_fill(data + (size_t)i * SECTOR_BYTES, &stamp);
    }
}

static uint64_t value_of_stamp(const struct stamp *stamp, uint64_t sector,
                               uint32_t run)
{
    if (stamp->run != run)
        return VALUE_OF(VALUE_OTHER_RUN, 0);
    if (stamp->sector != sector)
        return VALUE_OF(VALUE_MISPLACED, value_sequence(stamp->sector));
    if (stamp->writer > CHECK_MAX_PATHS ||
        stamp->sequence != value_sequence(stamp->sequence))
        return VALUE_OF(VALUE_FOREIGN, 0);
    return VALUE_OF(stamp->writer, stamp->sequence);
}

static uint64_t look(uint64_t sector, uint32_t run, const uint8_t *data)
{
    struct stamp stamp;

    switch (stamp_look(data, &stamp)) {
    case STAMP_GOOD: return value_of_stamp(&stamp, sector, run);
    case STAMP_ZEROS: return VALUE_ZEROS;
    case STAMP_TORN: return VALUE_OF(VALUE_TORN, 0);
    case STAMP_FOREIGN: break;
    }
    return VALUE_OF(VALUE_FOREIGN, 0);
}

void data_look(uint64_t sector, uint32_t nr_sectors, uint32_t run,
               const uint8_t *data, uint64_t *values)
{
    for (uint32_t i = 0; i < nr_sectors; i++)
        values[i] = look(sector + i, run, data + (size_t)i * SECTOR_BYTES);
}

static bool look_at_file(FILE *file, uint64_t sector, uint64_t nr_sectors,
                         uint32_t run, uint64_t *values)
{
    uint8_t data[SECTOR_BYTES];

    if (fseeko(file, (off_t)(sector * SECTOR_BYTES), SEEK_SET) != 0)
        return false;
    for (uint64_t i = 0; i < nr_sectors; i++) {
        if (fread(data, sizeof data, 1, file) != 1)
            return false;
        data_look(sector + i, 1, run, data, &values[i]);
    }
    return true;
}

uint64_t *data_look_at_image(const char *name, uint64_t sector,
                             uint64_t nr_sectors, uint32_t run)
{
    FILE *file = fopen(name, "rb");
    uint64_t *values = calloc(nr_sectors, sizeof *values);

    if (file && values && look_at_file(file, sector, nr_sectors, run, values))
        return fclose(file), values;
    log_error("%s: sectors %llu to %llu cannot be read: %s", name,
              (unsigned long long)sector,
              (unsigned long long)(sector + nr_sectors),
              file && feof(file) ? "it is shorter" : strerror(errno));
    if (file)
        fclose(file);
    free(values);
    return NULL;
}
