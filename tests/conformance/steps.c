/* SPDX-License-Identifier: MIT
 * The operations of a combination, in the order in which they are tried. What
 * one of them writes it reads back itself, with its data elsewhere in a page;
 * at the end the whole disk is read, by the front end under test and by the
 * witness. */
#include "tests/conformance/conformance.h"

#include <errno.h>

/* What a front end is asked for: so many sectors, from there on in a page. On
 * a disk of larger sectors both are rounded. */
struct shape {
    uint32_t nr_sectors, page_sector;
};

#define SHAPES(...)                                                          \
    (const struct shape[]){ __VA_ARGS__ },                                   \
        sizeof((const struct shape[]){ __VA_ARGS__ }) / sizeof(struct shape)

static struct place place_for(const struct session *session,
                              struct shape shape)
{
    return data_place(shape.nr_sectors, shape.page_sector, session->unit);
}

static const char *read_elsewhere(struct session *session, struct place place)
{
    place.page_sector = (place.page_sector + 3) % PAGE_SECTORS /
                        session->unit * session->unit;
    return data_read(session->disk, session->front, place);
}

static uint64_t ring_requests(const struct session *session)
{
    struct vbdfront_stats stats;

    vbdfront_get_stats(session->front, &stats);
    return stats.ring_requests;
}

/* As few as the segments need: with what was agreed on they are as large as
 * that. */
static const char *check_requests(const struct session *session,
                                  struct place place, uint64_t nr)
{
    uint32_t most = vbdfront_info(session->front)->max_segments;
    uint32_t segments = (place.page_sector + place.nr_sectors +
                         PAGE_SECTORS - 1) / PAGE_SECTORS;

    return nr == (segments + most - 1) / most
               ? NULL : say("%u segments were %llu ring requests", segments,
                            (unsigned long long)nr);
}

static const char *write_and_read(struct session *session,
                                  enum vbdfront_op op, unsigned flags,
                                  const struct shape *shapes, unsigned nr)
{
    const char *why = NULL;

    for (unsigned i = 0; i < nr && !why; i++) {
        struct place place = place_for(session, shapes[i]);
        uint64_t before = ring_requests(session);

        why = data_write(session->disk, session->front, op, flags, place);
        if (!why && op == VBDFRONT_WRITE && !flags)
            why = check_requests(session, place,
                                 ring_requests(session) - before);
        if (!why)
            why = read_elsewhere(session, place);
    }
    return why;
}

/* --- READ and WRITE ------------------------------------------------------ */

static const char *read_others(struct session *session)
{
    static const struct shape shapes[] = { { 1, 6 }, { 600, 5 } };
    const char *why = NULL;

    for (unsigned i = 0; i < 2 && !why; i++) {
        struct place place = place_for(session, shapes[i]);

        why = data_write(session->disk, session->disk->witness,
                         VBDFRONT_WRITE, 0, place);
        if (!why)
            why = read_elsewhere(session, place);
    }
    return why;
}

static const char *write_sectors(struct session *session)
{
    return write_and_read(session, VBDFRONT_WRITE, 0,
                          SHAPES({ 1, 0 }, { 1, 3 }, { 1, 7 }));
}

static const char *write_pages(struct session *session)
{
    return write_and_read(session, VBDFRONT_WRITE, 0,
                          SHAPES({ 8, 0 }, { 3, 2 }, { 7, 5 }, { 8, 1 },
                                 { 2, 7 }, { 27, 6 }));
}

static const char *write_11_segments(struct session *session)
{
    return write_and_read(session, VBDFRONT_WRITE, 0,
                          SHAPES({ 88, 0 }, { 79, 3 }, { 74, 7 }));
}

static const char *write_more_than_11(struct session *session)
{
    return write_and_read(session, VBDFRONT_WRITE, 0,
                          SHAPES({ 89, 0 }, { 88, 1 }, { 96, 0 },
                                 { 301, 6 }));
}

static const char *write_256_segments(struct session *session)
{
    return write_and_read(session, VBDFRONT_WRITE, 0,
                          SHAPES({ 2048, 0 }, { 2040, 1 }, { 2034, 7 }));
}

static const char *write_more_than_256(struct session *session)
{
    return write_and_read(session, VBDFRONT_WRITE, 0,
                          SHAPES({ 2049, 0 }, { 2600, 5 }));
}

/* All rings full, several times. */
static const char *go_round(struct session *session)
{
    enum { ROUNDS = 2, AT_LEAST = 256 };
    const struct vbdfront_info *info = vbdfront_info(session->front);
    unsigned slots = info->nr_queues * info->ring_slots;
    unsigned rounds = slots * ROUNDS < AT_LEAST ? AT_LEAST / slots : ROUNDS;
    const char *why = NULL;

    for (unsigned i = 0; i < rounds && !why; i++) {
        why = data_write_many(session->disk, session->front, slots,
                              session->unit);
        if (!why)
            why = data_read_many(session->disk, session->front, slots,
                                 session->unit);
    }
    return why;
}

/* Each queue's own event port is used, by both ends. A queue whose other end
 * is awake need not be notified; so this is tried until it is. */
static const char *use_ports(struct session *session)
{
    enum { TRIES = 500 };
    unsigned queues = session->combination->queues, heard = 0;
    const char *why = NULL;

    for (unsigned i = 0; i < TRIES && heard < queues && !why; i++) {
        why = data_read_many(session->disk, session->front, queues,
                             session->unit);
        while (heard < queues) {
            struct port_count count = session_count_port(session, heard);

            if (!count.sent || !count.taken)
                break;
            heard++;
        }
    }
    return why || heard == queues
               ? why : say("the port of queue %u is not used by both", heard);
}

/* --- order and durability ------------------------------------------------ */

static const char *write_fua(struct session *session)
{
    session->asked.flushes += 3; /* one after each, blkif has no such write */
    return write_and_read(session, VBDFRONT_WRITE, VBDFRONT_FUA,
                          SHAPES({ 1, 4 }, { 88, 0 }, { 700, 2 }));
}

static const char *flush(struct session *session)
{
    session->asked.flushes++;
    return data_do(session->front, VBDFRONT_FLUSH, 0, (struct place){ 0 }, 0);
}

static const char *barrier(struct session *session)
{
    session->asked.barriers++;
    return data_do(session->front, VBDFRONT_BARRIER, 0, (struct place){ 0 },
                   0);
}

static const char *barrier_with_data(struct session *session)
{
    session->asked.barriers += 3;
    return write_and_read(session, VBDFRONT_BARRIER, 0,
                          SHAPES({ 1, 5 }, { 79, 3 }, { 700, 2 }));
}

/* --- DISCARD ------------------------------------------------------------- */

/* With what is beside it, as far as there is something. */
static struct place widened(struct place place)
{
    enum { BESIDE = 2 * PAGE_SECTORS };
    uint64_t before = place.sector < BESIDE ? place.sector : BESIDE;
    uint64_t after = DISK_SECTORS - place.sector - place.nr_sectors;

    place.sector -= before;
    place.nr_sectors += (uint32_t)(before + (after < BESIDE ? after : BESIDE));
    return place;
}

/* Whole granules are discarded, and what is beside them is as before. */
static const char *discard_granules(struct session *session, unsigned flags,
                                    struct place place, uint32_t granule)
{
    const char *why;

    session->asked.discards++;
    why = data_do(session->front, VBDFRONT_DISCARD, flags, place, 0);
    data_forget(session->disk, place, granule);
    return why ? why : read_elsewhere(session, widened(place));
}

static const char *discard(struct session *session)
{
    const struct vbdfront_info *info = vbdfront_info(session->front);
    uint32_t granule = info->discard_granularity / SECTOR;
    const char *why = discard_granules(
        session, 0, place_for(session, (struct shape){ 333, 0 }), granule);

    return why ? why : discard_granules(
        session, 0, data_place(4 * granule, 0, granule), granule);
}

/* Of whole blocks: what is to be secure cannot leave the rest of one alone. */
static const char *discard_securely(struct session *session)
{
    uint32_t block = session->disk->sectors->block_bytes / SECTOR;

    return discard_granules(session, VBDFRONT_SECURE,
                            data_place(200 + block, 0, block), block);
}

/* --- the end of the disk ------------------------------------------------- */

static const char *meet_the_end(struct session *session)
{
    static const struct shape shapes[] = {
        { 1, 2 }, { 79, 3 }, { 96, 0 }, { 2040, 1 } };
    const char *why = NULL;

    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes && !why; i++) {
        struct place place = place_for(session, shapes[i]);

        place.sector = DISK_SECTORS - place.nr_sectors;
        why = data_write(session->disk, session->front, VBDFRONT_WRITE, 0,
                         place);
        if (!why)
            why = read_elsewhere(session, place);
        place.sector += session->unit;
        if (!why)
            why = data_do(session->front, VBDFRONT_READ, 0, place, -EINVAL);
    }
    return why;
}

/* --- and then ------------------------------------------------------------ */

static const char *read_all(struct session *session)
{
    return data_read_all(session->disk, session->front);
}

static const char *count(struct session *session)
{
    return agreed_check_counts(session);
}

static const char *ask_witness(struct session *session)
{
    return data_read_all(session->disk, session->disk->witness);
}

static bool has_flush(const struct vbdfront_info *info)
{
    return info->has_flush;
}

static bool has_barrier(const struct vbdfront_info *info)
{
    return info->has_barrier;
}

/* And the disk has room for some granules of that size. */
static bool has_discard(const struct vbdfront_info *info)
{
    return info->has_discard &&
           info->discard_granularity <= DISK_SECTORS / 8 * SECTOR;
}

static bool has_secure(const struct vbdfront_info *info)
{
    return info->has_secure;
}

const struct step steps[] = {
    { "connect", session_connect, NULL },
    { "all that was asked for was agreed on", agreed_check, NULL },
    { "READ what another has written", read_others, NULL },
    { "WRITE one sector", write_sectors, NULL },
    { "WRITE parts of pages", write_pages, NULL },
    { "WRITE 11 segments", write_11_segments, NULL },
    { "WRITE more than 11 segments", write_more_than_11, NULL },
    { "WRITE 256 segments", write_256_segments, NULL },
    { "WRITE more than 256 segments", write_more_than_256, NULL },
    { "all rings full of WRITEs, then of READs, again and again", go_round,
      NULL },
    { "each queue is notified at its own port", use_ports, NULL },
    { "WRITE with FUA", write_fua, has_flush },
    { "FLUSH", flush, has_flush },
    { "BARRIER without data", barrier, has_barrier },
    { "BARRIER with data", barrier_with_data, has_barrier },
    { "DISCARD", discard, has_discard },
    { "secure DISCARD", discard_securely, has_secure },
    { "the end of the disk", meet_the_end, NULL },
    { "the whole disk reads right", read_all, NULL },
    { "both ends have counted the same", count, NULL },
    { "disconnect", session_disconnect, NULL },
    { "the witness reads the same", ask_witness, NULL },
};
const unsigned nr_steps = sizeof steps / sizeof *steps;
