/* SPDX-License-Identifier: MIT
 * Nodes of XenStore. Every value that the peer has written is judged before it
 * is used. */
#include "frontend/private.h"

enum { NUMBER_BYTES = 32 }; /* more than any number has digits */

int front_read_node(struct vbdfront *front, const char *directory,
                    const char *leaf, char *value, size_t bytes)
{
    char path[2 * FRONT_PATH_BYTES];

    if (!front_text_format(path, sizeof path, "%s/%s", directory, leaf))
        return -XEN_ENAMETOOLONG;
    return front->port->store_read(front->port->context, path, value, bytes);
}

int front_read_number(struct vbdfront *front, const char *directory,
                      const char *leaf, bool is_optional, uint64_t max,
                      uint64_t *value)
{
    char text[NUMBER_BYTES] = "";
    int length = front_read_node(front, directory, leaf, text, sizeof text);

    if (length == -XEN_ENOENT && is_optional)
        return 0;
    if (length == -XEN_ENOENT)
        return front_fail(front, -BLKIF_EPROTO, "%s/%s is missing",
                          directory, leaf);
    if (length == -XEN_E2BIG)
        return front_fail(front, -BLKIF_EPROTO,
                          "%s/%s is longer than any number", directory, leaf);
    if (length < 0)
        return front_fail(front, length, "%s/%s cannot be read (error %u)",
                          directory, leaf, (unsigned)-length);
    if (xenbus_parse_number(text, (size_t)length, max, value) != 0)
        return front_fail(front, -BLKIF_EPROTO,
                          "%s/%s is \"%s\", expected a number of at most %llu",
                          directory, leaf, text, (unsigned long long)max);
    return 0;
}

int front_read_offer(struct vbdfront *front, const char *leaf,
                     uint32_t otherwise, uint32_t *value)
{
    uint64_t number = otherwise;
    int error = front_read_number(front, front->backend, leaf, true,
                                  UINT32_MAX, &number);

    *value = (uint32_t)number;
    return error;
}

int front_read_feature(struct vbdfront *front, const char *leaf, bool *has)
{
    uint64_t value = 0;
    int error = front_read_number(front, front->backend, leaf, true, 1,
                                  &value);

    *has = value == 1;
    return error;
}

int front_refuse_value(struct vbdfront *front, const char *leaf,
                       uint64_t value, const char *expected)
{
    return front_fail(front, -BLKIF_EPROTO, "%s/%s is %llu, expected %s",
                      front->backend, leaf, (unsigned long long)value,
                      expected);
}

bool front_has_node(struct vbdfront *front, const char *leaf)
{
    char value[NUMBER_BYTES];

    return front_read_node(front, front->node, leaf, value, sizeof value) !=
           -XEN_ENOENT;
}

int front_write_node(struct vbdfront *front, const char *leaf,
                     const char *value)
{
    char path[2 * FRONT_PATH_BYTES];
    int error;

    front_text_format(path, sizeof path, "%s/%s", front->node, leaf);
    error = front->port->store_write(front->port->context, path, value);
    if (error)
        return front_fail(front, error, "%s cannot be written (error %u)",
                          path, (unsigned)-error);
    return 0;
}

int front_write_number(struct vbdfront *front, const char *leaf,
                       uint32_t number)
{
    char value[NUMBER_BYTES];

    front_text_format(value, sizeof value, "%u", number);
    return front_write_node(front, leaf, value);
}
