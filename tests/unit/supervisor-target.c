/* SPDX-License-Identifier: MIT
 * Claim: params means [NAME=VALUE,]...PATH and nothing else; a target is what
 * it is, not what it is called; percentiles come from the right bucket.
 * Source: vbdd(8), C1; backend/control/message.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/disk/latency.h"
#include "backend/supervisor/percentile.h"
#include "backend/supervisor/target.h"
#include "backend/supervisor/text.h"
#include "tests/unit/tap.h"

static struct config config;

static void check_good(void)
{
    static const struct {
        const char *params, *mode, *path, *engine;
        bool is_writable, is_shared;
    } rows[] = {
        { "/dev/vg/a", "w", "/dev/vg/a", "aio", true, false },
        { "/dev/vg/a", "r", "/dev/vg/a", "aio", false, false },
        { "/dev/vg/a", "w!", "/dev/vg/a", "aio", true, true },
        { "/dev/vg/a", NULL, "/dev/vg/a", "aio", true, false },
        { "engine=null,/dev/vg/a", "w", "/dev/vg/a", "null", true, false },
        { "mode=w!,/dev/vg/a", "w", "/dev/vg/a", "aio", true, true },
        { "mode=r,/dev/vg/a", "w", "/dev/vg/a", "aio", false, false },
        { "engine=delay:read=2ms/aio,buffered=yes,/a,b=c,/d", "w",
          "/a,b=c,/d", "delay:read=2ms/aio", true, false },
        { "engine=\"error:flush=EIO,retry=yes/aio\",mode=r,/a", "w", "/a",
          "error:flush=EIO,retry=yes/aio", false, false },
        { "/a disk, 2:1=b, \"c\"", "w", "/a disk, 2:1=b, \"c\"", "aio", true,
          false },
        { "mode=r,/a disk,/b:engine=null", "w", "/a disk,/b:engine=null",
          "aio", false, false },
        { "/with,engine=null", "w", "/with,engine=null", "aio", true,
          false },
    };
    struct target target;
    char reason[512];

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_EQ(target_parse(&target, &config, rows[i].params, rows[i].mode,
                              reason, sizeof reason), 0);
        CHECK_STR(target.path, rows[i].path);
        CHECK_STR(target.options.engine, rows[i].engine);
        CHECK_EQ(target.is_writable, rows[i].is_writable);
        CHECK_EQ(target.is_shared, rows[i].is_shared);
    }
}

static void check_bad(void)
{
    static const struct {
        const char *params, *mode, *said;
    } rows[] = {
        { "", "w", "target is ''" },
        { "relative/path", "w", "target is 'relative/path'" },
        { "engine=null", "w", "target is 'engine=null'" },
        { "engine=null,", "w", "target is" },
        { "engine=\"null,/a", "w", "target is" },
        { "/a", "rw", "mode is 'rw'" },
        { "/a", "W", "mode is 'W'" },
        { "mode=,/a", "w", "mode is ''" },
        { "engine=,/a", "w", "engine = ''" },
        { "speed=1,/a", "w", "'speed' is no option" },
        { "engine,/a", "w", "'engine' is no option" },
        { ",/a", "w", "'' is no option" },
        { "engine=null,,/a", "w", "'' is no option" },
        { "buffered=si,/a", "w", "buffered = 'si': expected yes or no" },
    };
    struct target target;
    char reason[512], *params;

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(target_parse(&target, &config, rows[i].params, rows[i].mode,
                           reason, sizeof reason) < 0);
        if (!CHECK(strstr(reason, rows[i].said)))
            NOTE("row %u: %s", i, reason);
    }
    params = malloc(5001);
    memset(params, '/', 5000);
    params[5000] = '\0';
    CHECK(target_parse(&target, &config, params, "w", reason,
                       sizeof reason) < 0);
    params[TARGET_PATH_BYTES] = '\0';
    CHECK(target_parse(&target, &config, params, "w", reason,
                       sizeof reason) < 0);
    params[TARGET_PATH_BYTES - 1] = '\0';
    CHECK_EQ(target_parse(&target, &config, params, "w", reason,
                          sizeof reason), 0);
    free(params);
}

static void check_identity(void)
{
    char one[] = "/tmp/vbdd-target-XXXXXX", two[64], reason[512];
    struct target target, other;
    int fd = mkstemp(one);

    REQUIRE(fd >= 0);
    snprintf(two, sizeof two, "%s.link", one);
    REQUIRE(link(one, two) == 0);
    target_parse(&target, &config, one, "w", reason, sizeof reason);
    target_parse(&other, &config, two, "w", reason, sizeof reason);
    CHECK_EQ(target_identify(&target, reason, sizeof reason), 0);
    CHECK_EQ(target_identify(&other, reason, sizeof reason), 0);
    CHECK_STR(target.key, other.key);
    CHECK(strncmp(target.key, "file-", 5) == 0 && !strchr(target.key, '/'));
    unlink(one);
    CHECK(target_identify(&target, reason, sizeof reason) < 0);
    CHECK(strstr(reason, "No such file"));
    unlink(two);
    close(fd);
}

static void check_percentiles(void)
{
    uint64_t buckets[MESSAGE_LATENCY_BUCKETS] = { 0 };

    CHECK_EQ(percentile_us(buckets, 500), 0);
    buckets[10] = 990; /* [32, 46) us */
    buckets[20] = 10;  /* [1024, 1449) us */
    CHECK_EQ(percentile_us(buckets, 1), 46);
    CHECK_EQ(percentile_us(buckets, 500), 46);
    CHECK_EQ(percentile_us(buckets, 990), 46);
    CHECK_EQ(percentile_us(buckets, 991), 1449);
    CHECK_EQ(percentile_us(buckets, 1000), 1449);
    buckets[MESSAGE_LATENCY_BUCKETS - 1] = 1;
    CHECK_EQ(percentile_us(buckets, 1000), 1 << 20);
    buckets[0] = UINT64_MAX; /* a worker may say anything */
    CHECK_EQ(percentile_us(buckets, 500), 2);
}

/* The worker's rule and ours are the same one. */
static void check_edges(void)
{
    CHECK_EQ(percentile_edge_us(0), 0);
    for (uint64_t us = 0; us < 1 << 20; us++) {
        unsigned bucket = latency_bucket(us);

        if (us < percentile_edge_us(bucket) ||
            us >= percentile_edge_us(bucket + 1)) {
            CHECK(!"it lies between its bucket's edges");
            NOTE("%u us, bucket %u", (unsigned)us, bucket);
            return;
        }
    }
}

/* What a socket's path may hold, for a URI that goes through QEMU's -drive. */
static void check_percent(void)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        { "", "" },
        { "/run/vbdd/nbd/5-hda", "/run/vbdd/nbd/5-hda" },
        { "/a,b c", "/a%2Cb%20c" },
        { "?=&#%+:", "%3F%3D%26%23%25%2B%3A" },
        { "'\"$`\\", "%27%22%24%60%5C" },
        { "\001\t\n\177\377", "%01%09%0A%7F%FF" },
        { "Zz09-._~", "Zz09-._~" },
    };
    char text[64];

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_percent(rows[i].bytes, text, sizeof text);
        CHECK_STR(text, rows[i].text);
    }
    text_percent("abcd,ef", text, 8);
    CHECK_STR(text, "abcd%2C");
    text_percent("abcde,f", text, 8);
    CHECK_STR(text, "abcde");
}

int main(void)
{
    config_init(&config);
    TEST("what means something in a URI is escaped", check_percent);
    TEST("params are options and a path", check_good);
    TEST("other params are refused with a reason", check_bad);
    TEST("a target is the same under any name", check_identity);
    TEST("every time lies between the edges of its bucket", check_edges);
    TEST("percentiles are the upper ends of their buckets",
         check_percentiles);
    config_free(&config);
    return tap_done();
}
