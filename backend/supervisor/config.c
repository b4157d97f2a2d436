/* SPDX-License-Identifier: MIT
 * vbdd.conf by inih. inih tells a handler neither the line number nor more
 * than 49 bytes of a section's name; both are taken on the way in, from the
 * reader that feeds it. */
#include "backend/supervisor/config.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/units.h"
#include "common/blkif/limits.h"

/* What a worker may be told to keep mapped: 256 MiB of guests' memory. Linux
 * keeps 1056 pages of a device. */
enum { MAX_PERSISTENT_GRANTS = 65536, DEFAULT_PERSISTENT_GRANTS = 1056 };

/* --- options of a disk ---------------------------------------------------- */

static int expect(char *reason, unsigned size, const char *expectation)
{
    snprintf(reason, size, "%s", expectation);
    return -EINVAL;
}

static int set_engine(struct disk_options *options, const char *value,
                      char *reason, unsigned size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789:/=.,;+%'_-";
    size_t length = strlen(value);

    if (length == 0 || length >= sizeof options->engine ||
        strspn(value, allowed) != length)
        return expect(reason, size, "an engine specification such as aio or "
                                    "delay:read=2ms/aio, at most 255 bytes");
    strcpy(options->engine, value);
    return 0;
}

/* One of two words. */
static int set_bool(bool *is_set, const char *value, const char *yes,
                    const char *no, char *reason, unsigned size)
{
    *is_set = strcmp(value, yes) == 0;
    if (*is_set || strcmp(value, no) == 0)
        return 0;
    snprintf(reason, size, "%s or %s", yes, no);
    return -EINVAL;
}

static int set_buffered(struct disk_options *options, const char *value,
                        char *reason, unsigned size)
{
    return set_bool(&options->is_buffered, value, "yes", "no", reason, size);
}

static int set_nbd(struct disk_options *options, const char *value,
                   char *reason, unsigned size)
{
    return set_bool(&options->has_nbd, value, "yes", "no", reason, size);
}

static int set_after_handover(struct disk_options *options, const char *value,
                              char *reason, unsigned size)
{
    return set_bool(&options->refuses_after_handover, value, "refuse",
                    "allow", reason, size);
}

static int set_flush_retry(struct disk_options *options, const char *value,
                           char *reason, unsigned size)
{
    return units_parse_duration(value, &options->flush_retry_us) == 0
               ? 0 : expect(reason, size, "a time such as 500ms, 30s, 5min, "
                                          "or forever");
}

static int set_budget(struct disk_options *options, const char *value,
                      char *reason, unsigned size)
{
    uint64_t bytes;

    if (units_parse_bytes(value, &bytes) < 0 || bytes < 1 << 20 ||
        bytes > 16ull << 30)
        return expect(reason, size, "a size from 1M to 16G");
    options->budget_bytes = bytes;
    return 0;
}

static int set_name(char name[CONFIG_USER_BYTES], const char *value,
                    char *reason, unsigned size)
{
    if (strlen(value) >= CONFIG_USER_BYTES || !getpwnam(value))
        return expect(reason, size, "the name of a user that exists");
    strcpy(name, value);
    return 0;
}

static int set_user(struct disk_options *options, const char *value,
                    char *reason, unsigned size)
{
    return set_name(options->user, value, reason, size);
}

static int set_nbd_owner(struct disk_options *options, const char *value,
                         char *reason, unsigned size)
{
    return set_name(options->nbd_owner, value, reason, size);
}

static int set_count(uint32_t *count, const char *value, uint32_t min,
                     uint32_t max, char *reason, unsigned size)
{
    uint64_t parsed;

    if (units_parse_count(value, &parsed) < 0 || parsed < min ||
        parsed > max) {
        snprintf(reason, size, "a number from %" PRIu32 " to %" PRIu32, min,
                 max);
        return -EINVAL;
    }
    *count = (uint32_t)parsed;
    return 0;
}

/* A rate that nothing would ever come through is a mistake. */
static int set_rate(uint64_t *rate, const char *value, char *reason,
                    unsigned size)
{
    uint64_t bytes = 0;

    if (strcmp(value, "none") != 0 &&
        (units_parse_bytes(value, &bytes) < 0 || bytes < 64 << 10))
        return expect(reason, size, "at least 64K, or none");
    *rate = bytes;
    return 0;
}

static int set_read_rate(struct disk_options *options, const char *value,
                         char *reason, unsigned size)
{
    return set_rate(&options->rates.read_bytes, value, reason, size);
}

static int set_write_rate(struct disk_options *options, const char *value,
                          char *reason, unsigned size)
{
    return set_rate(&options->rates.written_bytes, value, reason, size);
}

static int set_iops(uint64_t *rate, const char *value, char *reason,
                    unsigned size)
{
    uint64_t count = 0;

    if (strcmp(value, "none") != 0 &&
        (units_parse_count(value, &count) < 0 || count < 10 ||
         count > UINT32_MAX))
        return expect(reason, size, "a number from 10 to 4294967295, or none");
    *rate = count;
    return 0;
}

static int set_read_iops(struct disk_options *options, const char *value,
                         char *reason, unsigned size)
{
    return set_iops(&options->rates.reads, value, reason, size);
}

static int set_write_iops(struct disk_options *options, const char *value,
                          char *reason, unsigned size)
{
    return set_iops(&options->rates.writes, value, reason, size);
}

static int set_queues(struct disk_options *options, const char *value,
                      char *reason, unsigned size)
{
    return set_count(&options->vbd.max_queues, value, 1, BLKIF_MAX_QUEUES,
                     reason, size);
}

static int set_ring_page_order(struct disk_options *options,
                               const char *value, char *reason, unsigned size)
{
    return set_count(&options->vbd.max_ring_page_order, value, 0,
                     BLKIF_MAX_RING_PAGE_ORDER, reason, size);
}

static int set_indirect_segments(struct disk_options *options,
                                 const char *value, char *reason,
                                 unsigned size)
{
    return set_count(&options->vbd.max_indirect_segments, value, 0,
                     BLKIF_MAX_INDIRECT_SEGMENTS, reason, size);
}

static int set_grants(struct disk_options *options, const char *value,
                      char *reason, unsigned size)
{
    static const char *const names[] = {
        [MESSAGE_GRANTS_COPY] = "copy", [MESSAGE_GRANTS_MAP] = "map",
        [MESSAGE_GRANTS_PERSISTENT] = "persistent",
    };

    for (unsigned i = 0; i < MESSAGE_GRANTS_COUNT; i++) {
        if (strcmp(value, names[i]) != 0)
            continue;
        options->vbd.grants = (enum message_grants)i;
        return 0;
    }
    return expect(reason, size, "copy, map or persistent");
}

static int set_persistent_grants(struct disk_options *options,
                                 const char *value, char *reason,
                                 unsigned size)
{
    return set_count(&options->vbd.max_persistent_grants, value, 1,
                     MAX_PERSISTENT_GRANTS, reason, size);
}

static int set_sector_size(struct disk_options *options, const char *value,
                           char *reason, unsigned size)
{
    if (strcmp(value, "512") != 0 && strcmp(value, "4096") != 0)
        return expect(reason, size, "512 or 4096");
    options->vbd.sector_bytes = value[0] == '5' ? 512 : 4096;
    return 0;
}

static const struct {
    const char *name;
    int (*set)(struct disk_options *options, const char *value, char *reason,
               unsigned size);
} disk_settings[] = {
    { "engine", set_engine },           { "buffered", set_buffered },
    { "flush-retry", set_flush_retry }, { "byte-budget", set_budget },
    { "user", set_user },               { "queues", set_queues },
    { "ring-page-order", set_ring_page_order },
    { "indirect-segments", set_indirect_segments },
    { "grants", set_grants },
    { "persistent-grants", set_persistent_grants },
    { "sector-size", set_sector_size }, { "nbd", set_nbd },
    { "nbd-owner", set_nbd_owner },
    { "emulated-after-handover", set_after_handover },
    { "read-rate", set_read_rate },     { "write-rate", set_write_rate },
    { "read-iops", set_read_iops },     { "write-iops", set_write_iops },
};

int config_set_option(struct disk_options *options, const char *name,
                      const char *value, char *reason, unsigned reason_size)
{
    for (unsigned i = 0; i < sizeof disk_settings / sizeof *disk_settings; i++)
        if (strcmp(name, disk_settings[i].name) == 0)
            return disk_settings[i].set(options, value, reason, reason_size);
    return -ENOENT;
}

bool disk_options_are_equal(const struct disk_options *one,
                            const struct disk_options *other)
{
    return strcmp(one->engine, other->engine) == 0 &&
           strcmp(one->user, other->user) == 0 &&
           strcmp(one->nbd_owner, other->nbd_owner) == 0 &&
           one->has_nbd == other->has_nbd &&
           one->refuses_after_handover == other->refuses_after_handover &&
           one->is_buffered == other->is_buffered &&
           one->flush_retry_us == other->flush_retry_us &&
           memcmp(&one->rates, &other->rates, sizeof one->rates) == 0 &&
           one->budget_bytes == other->budget_bytes;
}

/* --- the file ------------------------------------------------------------- */

struct parse {
    struct config *config;
    const char *path;
    FILE *file;
    int line;
    unsigned nr_errors;
    char section[1040]; /* a path whole, unlike inih's */
};

static void __attribute__((format(printf, 2, 3)))
complain(struct parse *parse, const char *format, ...)
{
    char text[CONFIG_REASON_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_error("%s:%d: %s", parse->path, parse->line, text);
    parse->nr_errors++;
}

static struct config_disk *find_section(const struct config *config,
                                        const char *path)
{
    struct config_disk *disk;

    TAILQ_FOREACH(disk, &config->disks, link)
        if (strcmp(disk->path, path) == 0)
            return disk;
    return NULL;
}

/* The section's own options start from what [defaults] says above it. */
static struct config_disk *add_section(struct config *config,
                                       const char *path)
{
    struct config_disk *disk = calloc(1, sizeof *disk + strlen(path) + 1);

    if (!disk)
        return NULL;
    strcpy(disk->path, path);
    disk->options = config->defaults;
    TAILQ_INSERT_TAIL(&config->disks, disk, link);
    return disk;
}

static int set_timeout(uint64_t *us, const char *value, char *reason,
                       unsigned size)
{
    uint64_t parsed;

    if (units_parse_duration(value, &parsed) < 0 || parsed == 0 ||
        parsed > 3600ull * 1000000)
        return expect(reason, size, "a time from 1ms to 60min");
    *us = parsed;
    return 0;
}

static int set_general(struct config *config, const char *name,
                       const char *value, char *reason, unsigned size)
{
    if (strcmp(name, "log-level") == 0) {
        config->has_log_level = true;
        return log_level_parse(value, &config->log_level) == 0
                   ? 0 : expect(reason, size, "error, warning, info or debug");
    }
    if (strcmp(name, "attach-timeout") == 0)
        return set_timeout(&config->attach_timeout_us, value, reason, size);
    if (strcmp(name, "detach-timeout") == 0)
        return set_timeout(&config->detach_timeout_us, value, reason, size);
    return -ENOENT;
}

/* Always 1: what is wrong has been said and counted, and the rest of the file
 * is to be read all the same. */
static int take_setting(void *context, const char *section, const char *name,
                        const char *value)
{
    char reason[CONFIG_REASON_BYTES];
    struct parse *parse = context;
    struct config *config = parse->config;
    struct config_disk *disk;
    int error;

    section = parse->section;
    if (strcmp(section, "vbdd") == 0) {
        error = set_general(config, name, value, reason, sizeof reason);
    } else if (strcmp(section, "defaults") == 0) {
        error = config_set_option(&config->defaults, name, value, reason,
                                  sizeof reason);
    } else if (strncmp(section, "disk:/", 6) == 0) {
        disk = find_section(config, section + 5);
        error = disk ? config_set_option(&disk->options, name, value, reason,
                                         sizeof reason)
                     : -ENOMEM;
    } else {
        return 1; /* the section's heading was complained about */
    }
    if (error == -EINVAL)
        complain(parse, "%s = '%.100s': expected %s", name, value, reason);
    else if (error == -ENOENT)
        complain(parse, "section [%.100s] has no setting '%.50s'", section,
                 name);
    else if (error)
        complain(parse, "out of memory");
    return 1;
}

static void take_heading(struct parse *parse, const char *line)
{
    const char *end = strchr(line, ']');
    size_t length = end ? (size_t)(end - line - 1) : 0;
    struct config *config = parse->config;

    if (!end)
        return; /* inih reports it */
    if (snprintf(parse->section, sizeof parse->section, "%.*s", (int)length,
                 line + 1) >= (int)sizeof parse->section) {
        complain(parse, "[%.50s...]: expected at most %zu bytes",
                 parse->section, sizeof parse->section - 1);
        strcpy(parse->section, "?");
        return;
    }
    if (strncmp(parse->section, "disk:/", 6) == 0) {
        if (!find_section(config, parse->section + 5) &&
            !add_section(config, parse->section + 5))
            complain(parse, "out of memory");
        return;
    }
    if (strcmp(parse->section, "defaults") == 0) {
        if (!TAILQ_EMPTY(&config->disks))
            complain(parse, "[defaults] must stand before every [disk:...]");
    } else if (strcmp(parse->section, "vbdd") != 0) {
        complain(parse, "[%.100s]: expected [vbdd], [defaults] or "
                        "[disk:/PATH]", parse->section);
    }
}

/* Feeds inih one line; see the top of this file. */
static char *next_line(char *line, int size, void *context)
{
    struct parse *parse = context;
    size_t length;

    if (!fgets(line, size, parse->file))
        return NULL;
    parse->line++;
    length = strlen(line);
    if ((length == 0 || line[length - 1] != '\n') && !feof(parse->file)) {
        int byte;

        complain(parse, "expected a line of text of at most %d bytes",
                 size - 3);
        while ((byte = fgetc(parse->file)) != '\n' && byte != EOF) { }
        line[0] = '\0';
    }
    line += strspn(line, " \t");
    if (line[0] == '[')
        take_heading(parse, line);
    else if (parse->section[0] == '\0' && line[strcspn(line, "=:")] &&
             !strchr(";#\n", line[0]))
        complain(parse, "a setting before any [section]");
    return line;
}

int config_load(struct config *config, const char *path)
{
    struct parse parse = { .config = config, .path = path };
    int result;

    parse.file = fopen(path, "re");
    if (!parse.file) {
        result = -errno;
        log_error("%s: cannot be read: %s", path, strerror(errno));
        return result;
    }
    ini_allow_multiline = false;
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = 4096;
    result = ini_parse_stream(next_line, &parse, take_setting, &parse);
    fclose(parse.file);
    if (result > 0) {
        parse.line = result;
        complain(&parse, "expected [section] or NAME = VALUE");
    }
    if (result < 0)
        return -ENOMEM;
    return parse.nr_errors ? -EINVAL : 0;
}

void config_init(struct config *config)
{
    *config = (struct config){
        .log_level = LOG_LEVEL_INFO,
        /* libxl gives a hotplug script 40 s; the sentence must be there
         * before. */
        .attach_timeout_us = 35 * 1000000,
        .detach_timeout_us = 35 * 1000000,
        .defaults = { .engine = "aio", .flush_retry_us = 30 * 1000000,
                      .budget_bytes = 32 << 20, .has_nbd = true,
                      .vbd = {
                          .max_queues = 1,
                          .max_ring_page_order = BLKIF_MAX_RING_PAGE_ORDER,
                          .max_indirect_segments = BLKIF_MAX_INDIRECT_SEGMENTS,
                          .grants = MESSAGE_GRANTS_COPY,
                          .max_persistent_grants = DEFAULT_PERSISTENT_GRANTS,
                          .sector_bytes = BLKIF_SECTOR_BYTES,
                      } },
    };
    strcpy(config->defaults.user, getpwnam("vbdd") ? "vbdd" : "nobody");
    TAILQ_INIT(&config->disks);
}

void config_free(struct config *config)
{
    struct config_disk *disk;

    while ((disk = TAILQ_FIRST(&config->disks))) {
        TAILQ_REMOVE(&config->disks, disk, link);
        free(disk);
    }
}

const struct disk_options *config_find(const struct config *config,
                                       const char *target)
{
    const struct config_disk *disk = find_section(config, target);

    return disk ? &disk->options : &config->defaults;
}
