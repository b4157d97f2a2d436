/* SPDX-License-Identifier: MIT
 * Names of virtual disks. The numbers are those of xen-vbd-interface(7):
 * Linux's majors and minors for the first disks, for all others 1 << 28. */
#include "tools/vbdfront/cli.h"

#include <string.h>

enum { EXTENDED = 1 << 28, EXTENDED_DISKS = 1 << 20 };

/* a = 0, z = 25, aa = 26. */
static bool parse_letters(const char **at, uint32_t *disk)
{
    uint32_t number = 0;

    for (; **at >= 'a' && **at <= 'z'; (*at)++) {
        number = number * 26 + (uint32_t)(**at - 'a') + 1;
        if (number > EXTENDED_DISKS)
            return false;
    }
    *disk = number - 1;
    return number > 0;
}

/* Digits to the end of the text, without leading zeros. */
static bool parse_digits(const char *at, uint64_t max, uint32_t *value)
{
    uint64_t number = 0;

    if (*at == '\0' || (*at == '0' && at[1] != '\0'))
        return false;
    for (; *at >= '0' && *at <= '9' && number <= max; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    *value = (uint32_t)number;
    return *at == '\0' && number <= max;
}

static bool number_xvd(uint32_t disk, uint32_t partition, uint32_t *vdev)
{
    if (disk < 16 && partition < 16)
        *vdev = 202u << 8 | disk << 4 | partition;
    else
        *vdev = EXTENDED | disk << 8 | partition;
    return partition < 256;
}

static bool number_hd(uint32_t disk, uint32_t partition, uint32_t *vdev)
{
    *vdev = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | partition;
    return disk < 4 && partition < 64;
}

static bool number_sd(uint32_t disk, uint32_t partition, uint32_t *vdev)
{
    *vdev = 8u << 8 | disk << 4 | partition;
    return disk < 16 && partition < 16;
}

bool vdev_parse(const char *name, uint32_t *vdev)
{
    static const struct {
        const char *prefix;
        bool (*number)(uint32_t disk, uint32_t partition, uint32_t *vdev);
    } kinds[] = { { "xvd", number_xvd }, { "hd", number_hd },
                  { "sd", number_sd } };

    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].prefix);
        const char *at = name + length;
        uint32_t disk, partition = 0;

        if (strncmp(name, kinds[i].prefix, length) != 0)
            continue;
        return parse_letters(&at, &disk) &&
               (*at == '\0' || (*at != '0' &&
                                parse_digits(at, 255, &partition))) &&
               kinds[i].number(disk, partition, vdev);
    }
    return parse_digits(name, UINT32_MAX, vdev);
}
