/* SPDX-License-Identifier: MIT
 * A disk in anonymous memory: what the engines above it are tried on. Gone
 * with the process; nothing is ever half-done. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/engine/private.h"

struct mem {
    struct engine engine;
    char *disk;
    struct engine_list queued, committed;
};

static int mem_map(struct mem *mem, char *reason, unsigned reason_size)
{
    uint64_t bytes = mem->engine.info.size_bytes;

    mem->disk = bytes > SIZE_MAX ? MAP_FAILED
                : mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem->disk != MAP_FAILED)
        return 0;
    return engine_explain(reason, reason_size, -ENOMEM,
                          "mem: no address space for a disk of %llu bytes",
                          (unsigned long long)bytes);
}

static int mem_open(const struct engine_config *config, const char *parameters,
                    struct engine *next, struct engine **engine, char *reason,
                    unsigned reason_size)
{
    struct mem *mem = calloc(1, sizeof *mem);
    int error;

    if (!mem)
        return engine_explain(reason, reason_size, -ENOMEM,
                              "mem: out of memory");
    mem->engine.ops = &mem_engine_ops;
    mem->engine.next = next;
    error = engine_make_up_disk("mem", config, parameters, &mem->engine.info,
                                NULL, reason, reason_size);
    mem->engine.info.can_secure = mem->engine.info.can_discard;
    if (!error)
        error = mem_map(mem, reason, reason_size);
    if (error)
        free(mem);
    else
        *engine = &mem->engine;
    return error;
}

static void mem_close(struct engine *engine)
{
    struct mem *mem = (struct mem *)engine;

    assert(!mem->queued.first && !mem->committed.first);
    munmap(mem->disk, (size_t)engine->info.size_bytes);
    free(mem);
}

static void mem_submit(struct engine *engine, struct engine_request *request)
{
    engine_list_append(&((struct mem *)engine)->queued, request);
}

static void mem_commit(struct engine *engine)
{
    struct mem *mem = (struct mem *)engine;

    engine_list_move(&mem->committed, &mem->queued);
}

/* Reads as zeros from here on; whole pages go back to the host, unless they
 * are to be overwritten where they are. */
static void mem_clear(struct mem *mem, const struct engine_request *request)
{
    const uint64_t page = mem->engine.info.discard_granularity_bytes;
    uint64_t start = request->offset_bytes;
    uint64_t end = start + request->length_bytes;
    uint64_t first = (start + page - 1) / page * page, last = end / page * page;

    if (request->flags & (ENGINE_SECURE | ENGINE_NO_HOLE) || first >= last) {
        memset(mem->disk + start, 0, end - start);
        return;
    }
    memset(mem->disk + start, 0, first - start);
    memset(mem->disk + last, 0, end - last);
    mem->engine.stats.system_calls++;
    if (madvise(mem->disk + first, last - first, MADV_DONTNEED) < 0)
        memset(mem->disk + first, 0, last - first);
}

static int mem_do(struct mem *mem, const struct engine_request *request)
{
    char *place = mem->disk + request->offset_bytes;
    int error = engine_refusal(&mem->engine, request);

    if (error)
        return error;
    switch (request->op) {
    case ENGINE_READ:
        memcpy(request->data, place, request->length_bytes);
        break;
    case ENGINE_WRITE:
        memcpy(place, request->data, request->length_bytes);
        break;
    case ENGINE_FLUSH:
        break;
    case ENGINE_DISCARD:
    case ENGINE_ZERO:
        mem_clear(mem, request);
        break;
    }
    return 0;
}

static unsigned mem_reap(struct engine *engine, unsigned max)
{
    struct mem *mem = (struct mem *)engine;
    struct engine_request *request;
    unsigned count = 0;

    while (count < max && (request = engine_list_take(&mem->committed))) {
        engine_finish(engine, request, mem_do(mem, request));
        count++;
    }
    return count;
}

static int mem_poll_fd(struct engine *engine)
{
    (void)engine;
    return -1;
}

const struct engine_ops mem_engine_ops = {
    .name = "mem", .open = mem_open, .close = mem_close, .submit = mem_submit,
    .commit = mem_commit, .reap = mem_reap, .poll_fd = mem_poll_fd,
};
