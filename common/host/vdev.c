/* SPDX-License-Identifier: MIT
 * Names of virtual disks. Numbers (docs/misc/vbd-interface.txt):
 *   xvd  202 << 8 | disk << 4 | partition      disk, partition < 16
 *        1 << 28 | disk << 8 | partition       beyond
 *   sd     8 << 8 | disk << 4 | partition      disk, partition < 16
 *   hd     3 << 8 | disk << 6 | partition      hda, hdb; partition < 64
 *         22 << 8 | (disk - 2) << 6 | partition  hdc, hdd */
#include "common/host/vdev.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXTENDED = 1 << 28, MAX_DISK = 1 << 20 };

/* "a" 0, "z" 25, "aa" 26, ...; what follows, or NULL. */
static const char *parse_letters(const char *text, uint32_t *disk)
{
    uint32_t number = 0;

    if (*text < 'a' || *text > 'z')
        return NULL;
    for (; *text >= 'a' && *text <= 'z'; text++) {
        number = number * 26 + (uint32_t)(*text - 'a') + 1;
        if (number > MAX_DISK)
            return NULL;
    }
    *disk = number - 1;
    return text;
}

/* All digits, no leading zero, at most max. */
static int parse_digits(const char *text, uint32_t max, uint32_t *number)
{
    uint64_t value = 0;

    if (*text < '1' || *text > '9')
        return -EINVAL;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max)
            return -EINVAL;
    }
    *number = (uint32_t)value;
    return *text ? -EINVAL : 0;
}

static int encode(char kind, uint32_t disk, uint32_t partition,
                  uint32_t *devid)
{
    switch (kind) {
    case 'x':
        *devid = disk < 16 && partition < 16
                     ? 202u << 8 | disk << 4 | partition
                     : EXTENDED | disk << 8 | partition;
        return partition < 256 ? 0 : -EINVAL;
    case 's':
        *devid = 8u << 8 | disk << 4 | partition;
        return disk < 16 && partition < 16 ? 0 : -EINVAL;
    case 'h':
        *devid = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | partition;
        return disk < 4 && partition < 64 ? 0 : -EINVAL;
    }
    return -EINVAL;
}

int vdev_parse(const char *text, uint32_t *devid)
{
    uint32_t disk, partition = 0, parsed;
    char kind = *text;

    if (parse_digits(text, INT32_MAX, devid) == 0)
        return 0;
    if (strncmp(text, "xvd", 3) == 0)
        text += 3;
    else if (strncmp(text, "hd", 2) == 0 || strncmp(text, "sd", 2) == 0)
        text += 2;
    else
        return -EINVAL;
    text = parse_letters(text, &disk);
    if (!text || (*text && parse_digits(text, 255, &partition) < 0) ||
        encode(kind, disk, partition, &parsed) < 0)
        return -EINVAL;
    *devid = parsed;
    return 0;
}

static const char *print(char name[VDEV_NAME_BYTES], const char *kind,
                         uint32_t disk, uint32_t partition)
{
    char letters[8], *start = letters + sizeof letters - 1;

    *start = '\0';
    for (uint32_t rest = disk + 1; rest > 0; rest = (rest - 1) / 26)
        *--start = (char)('a' + (rest - 1) % 26);
    if (partition)
        snprintf(name, VDEV_NAME_BYTES, "%s%s%" PRIu32, kind, start,
                 partition);
    else
        snprintf(name, VDEV_NAME_BYTES, "%s%s", kind, start);
    return name;
}

const char *vdev_print(uint32_t devid, char name[VDEV_NAME_BYTES])
{
    uint32_t low = devid & 255;

    if (devid >> 28 == 1)
        return print(name, "xvd", devid >> 8 & (MAX_DISK - 1), low);
    if (devid >> 8 == 202)
        return print(name, "xvd", low >> 4, low & 15);
    if (devid >> 8 == 8)
        return print(name, "sd", low >> 4, low & 15);
    if ((devid >> 8 == 3 || devid >> 8 == 22) && low < 128)
        return print(name, "hd", (devid >> 8 == 3 ? 0 : 2) + (low >> 6),
                     low & 63);
    snprintf(name, VDEV_NAME_BYTES, "%" PRIu32, devid);
    return name;
}
