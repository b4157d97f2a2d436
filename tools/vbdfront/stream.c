/* SPDX-License-Identifier: MIT
 * Long transfers: chunks in a circle, several in flight, used in order. */
#include "tools/vbdfront/cli.h"

#include <string.h>

enum {
    CHUNKS = 4,
    CHUNK_BYTES = 512 * 1024,
    CHUNK_SECTORS = CHUNK_BYTES / SECTOR_BYTES,
};

struct chunk {
    struct vbdfront_io io;
    bool is_done;
    int error;
};

struct circle {
    struct cli *cli;
    struct chunk chunks[CHUNKS];
    uint8_t *memory;
    unsigned oldest, nr; /* in flight or waiting to be used */
};

static void on_done(struct vbdfront_io *io, int error)
{
    struct chunk *chunk = io->owner;

    chunk->error = error;
    chunk->is_done = true;
}

static bool circle_open(struct circle *circle, struct cli *cli)
{
    *circle = (struct circle){ .cli = cli };
    circle->memory = disk_alloc(cli, CHUNKS * CHUNK_BYTES);
    return circle->memory != NULL;
}

/* What is still in flight must end before its memory is given back. */
static void circle_close(struct circle *circle)
{
    const struct vbdfront_port *port = circle->cli->port;

    while (vbdfront_in_flight(circle->cli->front) > 0)
        disk_wait(circle->cli);
    port->page_free(port->context, circle->memory,
                    CHUNKS * CHUNK_BYTES / PAGE_BYTES);
}

static uint8_t *next_data(struct circle *circle)
{
    return circle->memory +
           (size_t)(circle->oldest + circle->nr) % CHUNKS * CHUNK_BYTES;
}

static void submit(struct circle *circle, enum vbdfront_op op, unsigned flags,
                   uint64_t sector, uint32_t nr_sectors)
{
    unsigned index = (circle->oldest + circle->nr) % CHUNKS;
    struct chunk *chunk = &circle->chunks[index];

    *chunk = (struct chunk){
        .io = { .op = op, .flags = flags, .sector = sector,
                .nr_sectors = nr_sectors, .data = next_data(circle),
                .done = on_done, .owner = chunk } };
    circle->nr++;
    vbdfront_submit(circle->cli->front, &chunk->io);
}

/* The oldest chunk, when it has been done well. */
static struct chunk *wait_for_oldest(struct circle *circle)
{
    struct chunk *chunk = &circle->chunks[circle->oldest];

    vbdfront_poll(circle->cli->front); /* what has been submitted goes out */
    while (!chunk->is_done)
        disk_wait(circle->cli);
    circle->oldest = (circle->oldest + 1) % CHUNKS;
    circle->nr--;
    if (chunk->error) {
        disk_say_failed(circle->cli,
                        chunk->io.op == VBDFRONT_READ ? "reading" : "writing",
                        chunk->io.sector, chunk->error);
        return NULL;
    }
    return chunk;
}

static uint32_t chunk_sectors(uint64_t left)
{
    return left < CHUNK_SECTORS ? (uint32_t)left : CHUNK_SECTORS;
}

int stream_from_disk(struct cli *cli, struct stream *stream)
{
    uint64_t asked = 0;
    struct progress progress;
    struct circle circle;
    int status = EXIT_OK;

    if (!circle_open(&circle, cli))
        return EXIT_FAILED;
    progress_start(&progress, stream->title,
                   stream->nr_sectors * SECTOR_BYTES);
    while (status == EXIT_OK && stream->done_sectors < stream->nr_sectors) {
        struct chunk *chunk;

        for (; circle.nr < CHUNKS && asked < stream->nr_sectors;
             asked += chunk_sectors(stream->nr_sectors - asked))
            submit(&circle, VBDFRONT_READ, 0, stream->sector + asked,
                   chunk_sectors(stream->nr_sectors - asked));
        chunk = wait_for_oldest(&circle);
        if (!chunk) {
            status = EXIT_FAILED;
            break;
        }
        status = stream->take(stream->context, chunk->io.sector,
                              chunk->io.data, chunk->io.nr_sectors);
        stream->done_sectors += chunk->io.nr_sectors;
        progress_show(&progress, stream->done_sectors * SECTOR_BYTES);
    }
    progress_end(&progress, stream->done_sectors * SECTOR_BYTES);
    circle_close(&circle);
    return status;
}

/* The next chunk from give() to the disk; false at the end, and *status. */
static bool put_chunk(struct circle *circle, struct stream *stream,
                      uint64_t *put_sectors, int *status)
{
    uint64_t left = stream->nr_sectors - *put_sectors;
    uint64_t sector = stream->sector + *put_sectors;
    int64_t bytes = 0;

    if (left > 0)
        bytes = stream->give(stream->context, sector, next_data(circle),
                             chunk_sectors(left) * SECTOR_BYTES);
    if (bytes < 0)
        *status = EXIT_FAILED;
    if (bytes <= 0)
        return false;
    submit(circle, VBDFRONT_WRITE, stream->flags, sector,
           (uint32_t)(bytes / SECTOR_BYTES));
    *put_sectors += (uint64_t)bytes / SECTOR_BYTES;
    return true;
}

int stream_to_disk(struct cli *cli, struct stream *stream)
{
    uint64_t put_sectors = 0;
    struct progress progress;
    struct circle circle;
    bool has_more = true;
    int status = EXIT_OK;

    if (!circle_open(&circle, cli))
        return EXIT_FAILED;
    progress_start(&progress, stream->title,
                   stream->nr_sectors * SECTOR_BYTES);
    while (has_more || circle.nr > 0) {
        struct chunk *chunk;

        while (has_more && circle.nr < CHUNKS)
            has_more = put_chunk(&circle, stream, &put_sectors, &status);
        if (circle.nr == 0)
            break;
        chunk = wait_for_oldest(&circle);
        if (!chunk) {
            status = EXIT_FAILED;
            break;
        }
        stream->done_sectors += chunk->io.nr_sectors;
        progress_show(&progress, stream->done_sectors * SECTOR_BYTES);
    }
    progress_end(&progress, stream->done_sectors * SECTOR_BYTES);
    circle_close(&circle);
    return status;
}
