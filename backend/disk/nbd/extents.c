/* SPDX-License-Identifier: MIT
 * BLOCK_STATUS: where the disk has data and where it reads as zeros because
 * nothing is allocated ("base:allocation"). A snapshot: what is being written
 * meanwhile may show either way. It is the loop that asks the target, and many
 * times for one answer; so a connection has one answer a round. */
#include <endian.h>
#include <errno.h>

#include "backend/disk/nbd/private.h"

enum { MAX_QUESTIONS = 2 * NBD_MAX_EXTENTS }; /* neighbours may be alike */

struct extents_payload {
    uint32_t context;
    struct {
        uint32_t length_bytes, state;
    } extents[NBD_MAX_EXTENTS];
} __attribute__((packed));

/* Adds one, or makes the last one longer. False when there is no room. */
static bool add_extent(struct extents_payload *payload, unsigned *nr,
                       unsigned most, uint32_t length_bytes, bool is_hole)
{
    uint32_t state =
        htobe32(is_hole ? NBD_WIRE_STATE_HOLE | NBD_WIRE_STATE_ZERO : 0);

    if (*nr == 0 || payload->extents[*nr - 1].state != state) {
        if (*nr == most)
            return false;
        payload->extents[*nr].length_bytes = 0;
        payload->extents[(*nr)++].state = state;
    }
    length_bytes += be32toh(payload->extents[*nr - 1].length_bytes);
    payload->extents[*nr - 1].length_bytes = htobe32(length_bytes);
    return true;
}

/* Returns how many there are, one or more, from the beginning of the range on;
 * or -errno. */
static int collect(const struct nbd_command *command,
                   struct extents_payload *payload)
{
    const struct nbd_request *request = &command->request;
    struct coherency *disk = command->connection->server->worker->disk;
    uint64_t offset = request->offset_bytes;
    uint64_t end = offset + request->length_bytes;
    unsigned most = request->flags & NBD_WIRE_FLAG_REQ_ONE ? 1
                                                           : NBD_MAX_EXTENTS;
    unsigned nr = 0;

    for (unsigned i = 0; i < MAX_QUESTIONS && offset < end; i++) {
        uint64_t length = end - offset;
        bool is_hole;
        int error = coherency_extent(disk, offset, &length, &is_hole);

        if (error)
            return error;
        if (!add_extent(payload, &nr, most, (uint32_t)length, is_hole))
            break;
        offset += length;
    }
    return (int)nr;
}

enum nbd_need nbd_extents_answer(struct nbd_command *command)
{
    struct nbd_connection *connection = command->connection;
    struct nbd_piece *piece;
    int nr;

    if (connection->has_asked)
        return NBD_NEEDS_TURN;
    nr = nbd_piece_take(command, sizeof(struct extents_payload), &piece);
    if (nr == -EAGAIN)
        return NBD_NEEDS_ROOM;
    if (nr == 0) {
        struct extents_payload *payload = piece->io.data = piece->memory;

        payload->context = htobe32(NBD_ALLOCATION_CONTEXT);
        nr = collect(command, payload);
        connection->has_asked = true;
        if (nr > 0)
            nbd_answer_extents(piece,
                               (uint32_t)((char *)&payload->extents[nr] -
                                          (char *)payload));
        else
            nbd_piece_free(piece);
    }
    if (nr < 0)
        nbd_command_fail(command, nr, command->request.offset_bytes);
    return NBD_NEEDS_NOTHING;
}
