/* SPDX-License-Identifier: MIT
 * Claim: the table of persistent grants never keeps more pages than it may,
 * puts out the least recently used first and nothing that the same batch has
 * used, gives the idle ones back, and unmaps each page exactly once on every
 * way out, failed maps included (XSA-361, XSA-371).
 * Source: blkif.h, feature-persistent; persistent.h.
 * Mechanism: the real table over a made-up platform that keeps its own account
 * of what is mapped; random use against a model that is a plain list. */
#include <stdbool.h>

#include "backend/disk/persistent.h"
#include "backend/platform/platform.h"
#include "tests/unit/tap.h"

enum { DOMID = 3, GREFS = 64 };

/* A page's address says which it is, and how often it has been mapped. */
static char pages[GREFS];
static unsigned mapped[GREFS], nr_mapped, maps, unmaps, bad_calls;
static bool cannot_map[GREFS];

int platform_grant_map(struct platform *platform, uint32_t domid,
                       const uint32_t *grefs, unsigned nr, bool writable,
                       void **page)
{
    (void)platform;
    bad_calls += domid != DOMID || nr != 1 || !writable || *grefs >= GREFS;
    maps++;
    if (cannot_map[*grefs])
        return -13;
    mapped[*grefs]++;
    nr_mapped++;
    *page = &pages[*grefs];
    return 0;
}

int platform_grant_unmap(struct platform *platform, void *page, unsigned nr)
{
    size_t gref = (size_t)((char *)page - pages);

    (void)platform;
    bad_calls += nr != 1 || gref >= GREFS || mapped[gref] != 1;
    mapped[gref]--;
    nr_mapped--;
    unmaps++;
    return 0;
}

static unsigned elsewhere; /* mapped by others in the process */

void platform_get_held(const struct platform *platform,
                       struct platform_held *held)
{
    (void)platform;
    *held = (struct platform_held){ .mapped_pages = nr_mapped + elsewhere };
}

static struct persistent *open_table(uint32_t max_pages)
{
    struct persistent *table = NULL;

    memset(mapped, 0, sizeof mapped);
    memset(cannot_map, 0, sizeof cannot_map);
    nr_mapped = maps = unmaps = bad_calls = 0;
    REQUIRE(persistent_open(NULL, DOMID, max_pages, &table) == 0);
    return table;
}

static void close_table(struct persistent *table)
{
    persistent_close(table);
    CHECK_EQ(nr_mapped, 0);
    CHECK_EQ(bad_calls, 0);
}

/* --- the model ------------------------------------------------------------ */

static struct { uint32_t gref; uint64_t batch; } model[GREFS];
static unsigned nr_model;

static void model_remove(unsigned at)
{
    memmove(&model[at], &model[at + 1], (--nr_model - at) * sizeof model[0]);
}

/* Oldest first. True when gref is mapped afterwards. */
static bool model_use(uint32_t gref, uint64_t batch, unsigned max)
{
    unsigned at = 0;

    while (at < nr_model && model[at].gref != gref)
        at++;
    if (at == nr_model) {
        if (nr_model == max && (max == 0 || model[0].batch == batch))
            return false;
        if (nr_model == max)
            model_remove(0);
        if (cannot_map[gref])
            return false;
    } else {
        model_remove(at);
    }
    model[nr_model].gref = gref;
    model[nr_model++].batch = batch;
    return true;
}

static unsigned disagreements(void)
{
    unsigned wrong = nr_mapped != nr_model;

    for (unsigned i = 0; i < nr_model; i++)
        wrong += mapped[model[i].gref] != 1;
    return wrong;
}

static uint32_t any(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

static void run_model(unsigned max, uint64_t *seed)
{
    struct persistent *table = open_table(max);
    struct persistent_stats stats;
    unsigned uses = 0, wrong = 0;

    nr_model = 0;
    for (uint64_t batch = 1; batch < 200; batch++) {
        for (uint32_t i = any(seed, 40); i > 0; i--) {
            uint32_t gref = any(seed, GREFS);
            void *page;

            cannot_map[gref] = any(seed, 8) == 0;
            page = persistent_page(table, gref, batch);
            uses++;
            if (model_use(gref, batch, max))
                wrong += page != &pages[gref];
            else
                wrong += page != NULL;
            wrong += disagreements() + (nr_mapped > max);
        }
    }
    CHECK_EQ(wrong, 0);
    stats = persistent_get_stats(table);
    CHECK_EQ(stats.pages, nr_mapped);
    CHECK_EQ(stats.hits + stats.misses, uses);
    CHECK_EQ(stats.evictions, unmaps);
    CHECK(max == 0 || max >= GREFS || stats.evictions > 0);
    close_table(table);
}

static void check_model(void)
{
    uint64_t seed = tap_seed();

    for (unsigned max = 0; max <= GREFS; max += max < 4 ? 1 : 12)
        run_model(max, &seed);
}

/* Beyond what the process may map a table has what it has, or nothing. */
static void check_process(void)
{
    struct persistent *table = open_table(GREFS);

    elsewhere = (1 << 15) - 2;
    for (uint32_t gref = 0; gref < 2; gref++)
        CHECK(persistent_page(table, gref, 1));
    CHECK(!persistent_page(table, 2, 1));
    CHECK(persistent_page(table, 2, 2)); /* in the place of the oldest */
    CHECK_EQ(mapped[0], 0);
    CHECK_EQ(persistent_get_stats(table).pages, 2);
    CHECK_EQ(persistent_get_stats(table).evictions, 1);
    elsewhere = 0;
    CHECK(persistent_page(table, 0, 2));
    CHECK_EQ(persistent_get_stats(table).pages, 3);
    close_table(table);
}

/* --- idle ----------------------------------------------------------------- */

static void check_trim(void)
{
    struct persistent *table = open_table(GREFS);

    for (uint32_t gref = 0; gref < 10; gref++)
        CHECK(persistent_page(table, gref, 1) != NULL);
    CHECK(persistent_trim(table)); /* all were used since the last time */
    CHECK_EQ(nr_mapped, 10);
    for (uint32_t gref = 0; gref < 4; gref++)
        CHECK(persistent_page(table, gref, 2) != NULL);
    CHECK(persistent_trim(table));
    CHECK_EQ(nr_mapped, 4);
    for (uint32_t gref = 0; gref < GREFS; gref++)
        CHECK_EQ(mapped[gref], gref < 4);
    CHECK(!persistent_trim(table));
    CHECK_EQ(nr_mapped, 0);
    CHECK(!persistent_trim(table));
    CHECK(persistent_page(table, 5, 3) != NULL); /* and again */
    CHECK_EQ(persistent_get_stats(table).evictions, 0);
    close_table(table);
}

static void check_unmappable(void)
{
    struct persistent *table = open_table(2);

    cannot_map[1] = true;
    CHECK(persistent_page(table, 1, 1) == NULL);
    CHECK_EQ(persistent_get_stats(table).pages, 0);
    CHECK(persistent_page(table, 2, 1) != NULL);
    CHECK(persistent_page(table, 3, 1) != NULL);
    CHECK(persistent_page(table, 4, 1) == NULL); /* full of this batch's */
    CHECK_EQ(maps, 3);                           /* and not even tried */
    CHECK(persistent_page(table, 4, 2) != NULL);
    cannot_map[1] = false;
    CHECK(persistent_page(table, 1, 3) != NULL);
    close_table(table);
    persistent_close(NULL);
}

int main(void)
{
    TEST("the table does as a plain list by last use does, whatever fails",
         check_model);
    TEST("tables share what one process can map", check_process);
    TEST("what has been idle since the last trim is given back", check_trim);
    TEST("what cannot be mapped or has no room is not kept", check_unmappable);
    return tap_done();
}
