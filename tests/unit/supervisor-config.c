/* SPDX-License-Identifier: MIT
 * Claim: vbdd.conf means what vbdd.conf(5) says; each bad line is named with
 * file, line, value and what was expected, and refuses the file as a whole.
 * Mechanism: files written by the test, complaints read from standard error,
 * which is a pipe meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/supervisor/config.h"
#include "backend/supervisor/units.h"
#include "tests/unit/tap.h"

static char path[] = "/tmp/vbdd-config-XXXXXX";
static char said[8192];

/* Loads the text as a file; complaints are in said. */
static int load(struct config *config, const char *text, size_t length)
{
    int ends[2], saved = dup(STDERR_FILENO), result;
    FILE *file = fopen(path, "w");
    ssize_t got;

    REQUIRE(file && fwrite(text, 1, length, file) == length &&
            fclose(file) == 0 && pipe(ends) == 0);
    config_init(config);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    result = config_load(config, path);
    dup2(saved, STDERR_FILENO);
    close(saved);
    got = read(ends[0], said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    return result;
}

static void check_good(void)
{
    static const char text[] =
        "# a comment\n"
        "[vbdd]\n"
        "log-level = debug\n"
        "attach-timeout=2min\n"
        "\n"
        "[defaults]\n"
        "flush-retry = 500ms\n"
        "byte-budget = 64M\n"
        "[disk:/dev/vg/a,b]\n"
        "engine = delay:read=2ms/aio\n"
        "  buffered = yes   \n"
        "[disk:/dev/vg/other]\n"
        "flush-retry = forever\n"
        "user = root\n"
        "nbd = no\n"
        "nbd-owner = daemon\n"
        "emulated-after-handover = refuse\n"
        "[disk:/dev/vg/rings]\n"
        "emulated-after-handover = allow\n"
        "nbd = yes\n"
        "queues = 4\n"
        "ring-page-order = 0\n"
        "indirect-segments = 0\n"
        "grants = persistent\n"
        "persistent-grants = 65536\n"
        "sector-size = 4096";
    const struct disk_options *options;
    struct config config;

    CHECK_EQ(load(&config, text, strlen(text)), 0);
    CHECK_STR(said, "");
    CHECK_EQ(config.log_level, LOG_LEVEL_DEBUG);
    CHECK_EQ(config.attach_timeout_us, 120000000);
    CHECK_EQ(config.detach_timeout_us, 35000000);
    options = config_find(&config, "/dev/vg/a,b");
    CHECK_STR(options->engine, "delay:read=2ms/aio");
    CHECK(options->is_buffered);
    CHECK_EQ(options->flush_retry_us, 500000);
    CHECK_EQ(options->budget_bytes, 64 << 20);
    options = config_find(&config, "/dev/vg/other");
    CHECK_EQ(options->flush_retry_us, UNITS_FOREVER_US);
    CHECK_STR(options->user, "root");
    CHECK(!options->is_buffered);
    CHECK(!options->has_nbd);
    CHECK_STR(options->nbd_owner, "daemon");
    CHECK(options->refuses_after_handover);
    options = config_find(&config, "/dev/vg/rings");
    CHECK(options->has_nbd);
    CHECK_STR(options->nbd_owner, "");
    CHECK(!options->refuses_after_handover);
    CHECK_EQ(options->vbd.max_queues, 4);
    CHECK_EQ(options->vbd.max_ring_page_order, 0);
    CHECK_EQ(options->vbd.max_indirect_segments, 0);
    CHECK_EQ(options->vbd.grants, MESSAGE_GRANTS_PERSISTENT);
    CHECK_EQ(options->vbd.max_persistent_grants, 65536);
    CHECK_EQ(options->vbd.sector_bytes, 4096);
    options = config_find(&config, "/dev/vg/a");
    CHECK_STR(options->engine, "aio");
    CHECK_EQ(options->flush_retry_us, 500000);
    config_free(&config);
}

static void check_empty(void)
{
    struct config config;

    CHECK_EQ(load(&config, "", 0), 0);
    CHECK_EQ(config.defaults.flush_retry_us, 30000000);
    CHECK_EQ(config.defaults.budget_bytes, 32 << 20);
    CHECK(!config.defaults.is_buffered);
    CHECK(config.defaults.has_nbd);
    CHECK_STR(config.defaults.nbd_owner, "");
    CHECK(!config.defaults.refuses_after_handover);
    CHECK_EQ(config.defaults.vbd.max_queues, 1);
    CHECK_EQ(config.defaults.vbd.max_ring_page_order, 4);
    CHECK_EQ(config.defaults.vbd.max_indirect_segments, 256);
    CHECK_EQ(config.defaults.vbd.grants, MESSAGE_GRANTS_COPY);
    CHECK_EQ(config.defaults.vbd.max_persistent_grants, 1056);
    CHECK_EQ(config.defaults.vbd.sector_bytes, 512);
    config_free(&config);
}

/* What is decided at each connection asks for no other worker. */
static void check_equal(void)
{
    static const struct {
        const char *name, *value;
        bool is_equal;
    } rows[] = {
        { "engine", "null", false }, { "buffered", "yes", false },
        { "flush-retry", "1s", false }, { "byte-budget", "1M", false },
        { "user", "root", false }, { "queues", "4", true },
        { "ring-page-order", "1", true }, { "indirect-segments", "1", true },
        { "grants", "map", true }, { "persistent-grants", "1", true },
        { "sector-size", "4096", true }, { "nbd", "no", false },
        { "nbd-owner", "daemon", false },
        { "emulated-after-handover", "refuse", false },
        { "read-rate", "64K", false }, { "write-rate", "1G", false },
        { "read-iops", "10", false },  { "write-iops", "4294967295", false },
    };
    char reason[CONFIG_REASON_BYTES];
    struct config config;

    config_init(&config);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct disk_options options = config.defaults;

        CHECK_EQ(config_set_option(&options, rows[i].name, rows[i].value,
                                   reason, sizeof reason), 0);
        CHECK(memcmp(&options, &config.defaults, sizeof options) != 0);
        if (!CHECK_EQ(disk_options_are_equal(&options, &config.defaults),
                      rows[i].is_equal))
            NOTE("%s", rows[i].name);
    }
    config_free(&config);
}

static void check_bad_lines(void)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        { "engine = aio\n", ":1: a setting before any [section]" },
        { "[defaults]\nengine =\n", ":2: engine = '': expected an engine" },
        { "[defaults]\nengine = a b\n", ":2: engine = 'a b': expected" },
        { "[defaults]\nbuffered = true\n",
          ":2: buffered = 'true': expected yes or no" },
        { "[defaults]\nflush-retry = 30\n", ":2: flush-retry = '30'" },
        { "[defaults]\nflush-retry = -1s\n", ":2: flush-retry = '-1s'" },
        { "[defaults]\nflush-retry = 99999999999999999999s\n",
          ":2: flush-retry = '9999" },
        { "[defaults]\nflush-retry = 1844674407370955161s\n",
          ":2: flush-retry = '1844" },
        { "[defaults]\nbyte-budget = 1023K\n",
          ":2: byte-budget = '1023K': expected a size from 1M to 16G" },
        { "[defaults]\nread-rate = 65535\n",
          ":2: read-rate = '65535': expected at least 64K, or none" },
        { "[defaults]\nwrite-rate = 0\n", ":2: write-rate = '0'" },
        { "[defaults]\nread-iops = 9\n",
          ":2: read-iops = '9': expected a number from 10 to 4294967295, or "
          "none" },
        { "[defaults]\nwrite-iops = 4294967296\n", ":2: write-iops = '42" },
        { "[defaults]\nread-iops = none\nread-rate = no\n",
          ":3: read-rate = 'no'" },
        { "[defaults]\nbyte-budget = 17G\n", ":2: byte-budget = '17G'" },
        { "[defaults]\nbyte-budget = 17179869185G\n",
          ":2: byte-budget = '171" },
        { "[defaults]\nbyte-budget = 32 M\n", ":2: byte-budget = '32 M'" },
        { "[defaults]\nuser = no-such-user\n",
          ":2: user = 'no-such-user': expected the name of a user" },
        { "[defaults]\nnbd = 1\n", ":2: nbd = '1': expected yes or no" },
        { "[defaults]\nnbd-owner = no-such-user\n",
          ":2: nbd-owner = 'no-such-user': expected the name of a user" },
        { "[defaults]\nnbd-owner =\n", ":2: nbd-owner = '': expected" },
        { "[defaults]\nemulated-after-handover = yes\n",
          ":2: emulated-after-handover = 'yes': expected refuse or allow" },
        { "[defaults]\nqueues = 0\n",
          ":2: queues = '0': expected a number from 1 to 4" },
        { "[defaults]\nqueues = 5\n", ":2: queues = '5': expected a number" },
        { "[defaults]\nqueues = -1\n", ":2: queues = '-1'" },
        { "[defaults]\nqueues = 1K\n", ":2: queues = '1K'" },
        { "[defaults]\nqueues = 4294967297\n", ":2: queues = '4294967297'" },
        { "[defaults]\nring-page-order = 5\n",
          ":2: ring-page-order = '5': expected a number from 0 to 4" },
        { "[defaults]\nindirect-segments = 257\n",
          ":2: indirect-segments = '257': expected a number from 0 to 256" },
        { "[defaults]\ngrants = all\n",
          ":2: grants = 'all': expected copy, map or persistent" },
        { "[defaults]\npersistent-grants = 0\n",
          ":2: persistent-grants = '0': expected a number from 1 to 65536" },
        { "[defaults]\npersistent-grants = 65537\n",
          ":2: persistent-grants = '65537'" },
        { "[defaults]\nsector-size = 1024\n",
          ":2: sector-size = '1024': expected 512 or 4096" },
        { "[defaults]\nlog-level = debug\n",
          ":2: section [defaults] has no setting 'log-level'" },
        { "[defaults]\nEngine = aio\n", "has no setting 'Engine'" },
        { "[vbdd]\nlog-level = loud\n",
          ":2: log-level = 'loud': expected error, warning, info or debug" },
        { "[vbdd]\nattach-timeout = 0s\n", ":2: attach-timeout = '0s'" },
        { "[vbdd]\nattach-timeout = forever\n", ":2: attach-timeout" },
        { "[vbdd]\nspeed = 9\n", "[vbdd] has no setting 'speed'" },
        { "[disk:relative]\n", ":1: [disk:relative]: expected [vbdd]" },
        { "[disks]\nengine=aio\n", ":1: [disks]: expected [vbdd]" },
        { "[]\n", ":1: []: expected" },
        { "[vbdd\n", ":1: expected [section] or NAME = VALUE" },
        { "[vbdd]\n\n\nnonsense\n", ":4: expected [section] or NAME" },
        { "[disk:/a]\n[defaults]\nengine=aio\n",
          ":2: [defaults] must stand before" },
    };
    struct config config;

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(load(&config, rows[i].text, strlen(rows[i].text)) < 0);
        if (!CHECK(strstr(said, rows[i].said) && strstr(said, path)))
            NOTE("row %u: \"%s\" gave \"%s\"", i, rows[i].text, said);
        config_free(&config);
    }
}

static void check_all_named(void)
{
    static const char text[] = "[vbdd]\nlog-level = x\n[defaults]\nbuffered = "
                               "x\n[disk:/a]\nspeed = x\n";
    struct config config;

    CHECK(load(&config, text, strlen(text)) < 0);
    CHECK(strstr(said, ":2: ") && strstr(said, ":4: ") &&
          strstr(said, ":6: "));
    config_free(&config);
}

/* inih cuts a section's name at 49 bytes and a line at 200. */
static void check_long(void)
{
    static char text[8192], name[1200];
    struct config config;
    int used;

    memset(name, 'n', sizeof name);
    used = snprintf(text, sizeof text, "[disk:/%.*s1]\nbuffered = yes\n"
                    "[disk:/%.*s2]\nengine = null\n", 900, name, 900, name);
    CHECK_EQ(load(&config, text, (size_t)used), 0);
    snprintf(text, sizeof text, "/%.*s1", 900, name);
    CHECK(config_find(&config, text)->is_buffered);
    CHECK_STR(config_find(&config, text)->engine, "aio");
    snprintf(text, sizeof text, "/%.*s2", 900, name);
    CHECK(!config_find(&config, text)->is_buffered);
    CHECK_STR(config_find(&config, text)->engine, "null");
    config_free(&config);

    used = snprintf(text, sizeof text, "[disk:/%.*s]\n", 1100, name);
    CHECK(load(&config, text, (size_t)used) < 0);
    CHECK(strstr(said, ":1: [disk:/nnn"));
    config_free(&config);

    memset(text, 'x', 6000);
    memcpy(text, "[vbdd]\n", 7);
    memcpy(text + 6000, "\nlog-level = loud\n", 18);
    CHECK(load(&config, text, 6018) < 0);
    CHECK(strstr(said, ":2: expected a line of text"));
    CHECK(strstr(said, ":3: log-level"));
    config_free(&config);
}

static void check_zero_byte(void)
{
    static const char text[] = "[vbdd]\nlog-level = debug\0loud\n[defaults]\n";
    struct config config;

    CHECK(load(&config, text, sizeof text - 1) < 0);
    CHECK(strstr(said, ":2: expected a line of text"));
    config_free(&config);
}

static void check_missing(void)
{
    struct config config;

    config_init(&config);
    CHECK(config_load(&config, "/nowhere/vbdd.conf") < 0);
    config_free(&config);
}

static void check_rates(void)
{
    static const char *const names[][2] = {
        { "read-rate", "1M" }, { "write-rate", "2M" }, { "read-iops", "30" },
        { "write-iops", "40" },
    };
    char reason[CONFIG_REASON_BYTES];
    struct config config;
    struct disk_options *options = &config.defaults;

    config_init(&config);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_EQ(config_set_option(options, names[i][0], names[i][1], reason,
                                   sizeof reason), 0);
    CHECK_EQ(options->rates.read_bytes, 1 << 20);
    CHECK_EQ(options->rates.written_bytes, 2 << 20);
    CHECK_EQ(options->rates.reads, 30);
    CHECK_EQ(options->rates.writes, 40);
    CHECK_EQ(config_set_option(options, "read-iops", "none", reason,
                               sizeof reason), 0);
    CHECK_EQ(options->rates.reads, 0);
    config_free(&config);
}

int main(void)
{
    int fd = mkstemp(path);

    REQUIRE(fd >= 0);
    close(fd);
    TEST("each rate has its own name, and may be none", check_rates);
    TEST("a good file is read", check_good);
    TEST("an empty file leaves the defaults", check_empty);
    TEST("what is decided at each connection asks for no other worker",
         check_equal);
    TEST("a bad line is named with what was expected", check_bad_lines);
    TEST("every bad line is named, not only the first", check_all_named);
    TEST("a long path is not mistaken for another", check_long);
    TEST("a zero byte hides nothing", check_zero_byte);
    TEST("a file that is not there is an error", check_missing);
    unlink(path);
    return tap_done();
}
