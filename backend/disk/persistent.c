/* SPDX-License-Identifier: MIT
 * The table: buckets by grant reference, and one list of all by last use. */
#include "backend/disk/persistent.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/platform/platform.h"

enum {
    TRIM_PAGES = 1024, /* bounded work per wake-up */
    /* Each page is a mapping of its own, of which a process has 65530
     * (vm.max_map_count), and needs some for its buffers. */
    PROCESS_PAGES = 1 << 15,
};

struct kept {
    struct kept *next;           /* in its bucket, or among the free ones */
    struct kept *older, *newer;  /* by last use; kept ones only */
    void *page;
    uint64_t batch;              /* of the last use */
    uint32_t gref;
};

struct persistent {
    struct platform *platform;
    uint32_t domid, mask;
    struct kept *free, *oldest, *newest;
    uint64_t trimmed;            /* the newest batch at the last trim */
    struct persistent_stats stats;
    struct kept *kept;           /* all there may be */
    struct kept *buckets[];      /* mask + 1 */
};

/* A grant table is dense and small, so its low bits are a good hash, and one
 * that a guest cannot make bad: a bucket's share is the guest's grant table
 * divided by the buckets. */
static struct kept **bucket_of(struct persistent *table, uint32_t gref)
{
    return &table->buckets[gref & table->mask];
}

/* --- by last use ---------------------------------------------------------- */

static void age_remove(struct persistent *table, struct kept *kept)
{
    *(kept->older ? &kept->older->newer : &table->oldest) = kept->newer;
    *(kept->newer ? &kept->newer->older : &table->newest) = kept->older;
}

static void age_append(struct persistent *table, struct kept *kept)
{
    kept->older = table->newest;
    kept->newer = NULL;
    *(table->newest ? &table->newest->newer : &table->oldest) = kept;
    table->newest = kept;
}

/* --- in and out ----------------------------------------------------------- */

static void put_out(struct persistent *table, struct kept *kept)
{
    struct kept **link = bucket_of(table, kept->gref);

    while (*link != kept)
        link = &(*link)->next;
    *link = kept->next;
    age_remove(table, kept);
    platform_grant_unmap(table->platform, kept->page, 1);
    kept->next = table->free;
    table->free = kept;
    table->stats.pages--;
}

static struct kept *find(struct persistent *table, uint32_t gref)
{
    struct kept *kept = *bucket_of(table, gref);

    while (kept && kept->gref != gref)
        kept = kept->next;
    return kept;
}

static bool has_room(const struct persistent *table)
{
    struct platform_held held;

    platform_get_held(table->platform, &held);
    return table->free && held.mapped_pages < PROCESS_PAGES;
}

static bool make_room(struct persistent *table, uint64_t batch)
{
    if (has_room(table))
        return true;
    if (!table->oldest || table->oldest->batch == batch)
        return false;
    put_out(table, table->oldest);
    table->stats.evictions++;
    return true;
}

static struct kept *take_in(struct persistent *table, uint32_t gref,
                            uint64_t batch)
{
    struct kept *kept, **bucket = bucket_of(table, gref);

    table->stats.misses++;
    if (!make_room(table, batch))
        return NULL;
    kept = table->free;
    if (platform_grant_map(table->platform, table->domid, &gref, 1, true,
                           &kept->page))
        return NULL;
    table->free = kept->next;
    kept->gref = gref;
    kept->next = *bucket;
    *bucket = kept;
    age_append(table, kept);
    table->stats.pages++;
    return kept;
}

void *persistent_page(struct persistent *table, uint32_t gref, uint64_t batch)
{
    struct kept *kept = find(table, gref);

    if (kept) {
        table->stats.hits++;
        age_remove(table, kept);
        age_append(table, kept);
    } else {
        kept = take_in(table, gref, batch);
    }
    if (!kept)
        return NULL;
    kept->batch = batch;
    return kept->page;
}

/* --- open, trim, close ---------------------------------------------------- */

int persistent_open(struct platform *platform, uint32_t domid,
                    uint32_t max_pages, struct persistent **out)
{
    struct persistent *table;
    uint32_t buckets = 1;

    while (buckets < max_pages)
        buckets *= 2;
    table = calloc(1, sizeof *table + buckets * sizeof table->buckets[0]);
    if (!table)
        return -ENOMEM;
    table->platform = platform;
    table->domid = domid;
    table->mask = buckets - 1;
    table->stats.max_pages = max_pages;
    table->kept = calloc(max_pages ? max_pages : 1, sizeof *table->kept);
    if (!table->kept) {
        free(table);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < max_pages; i++) {
        table->kept[i].next = table->free;
        table->free = &table->kept[i];
    }
    *out = table;
    return 0;
}

bool persistent_trim(struct persistent *table)
{
    for (unsigned i = 0; i < TRIM_PAGES && table->oldest &&
                         table->oldest->batch <= table->trimmed; i++)
        put_out(table, table->oldest);
    if (table->newest)
        table->trimmed = table->newest->batch;
    return table->oldest != NULL;
}

struct persistent_stats persistent_get_stats(const struct persistent *table)
{
    return table->stats;
}

void persistent_close(struct persistent *table)
{
    if (!table)
        return;
    while (table->oldest)
        put_out(table, table->oldest);
    free(table->kept);
    free(table);
}
