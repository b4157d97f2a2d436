/* SPDX-License-Identifier: MIT
 * Claim: a back end says of itself what docs/PROTOCOL.md says that it does,
 * by its disk's options; what its worker is told is what the front end was
 * told; and what was said once is never taken back while the node lives, not
 * by a vbdd that is started again with less either (C14).
 * Source: docs/PROTOCOL.md section 2, vbdd.conf(5), C14.
 * Mechanism: a real vbdd over the stand-in's store, with workers that move no
 * data and write down what they are told; the test plays the front end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

struct node {
    const char *name, *value;
};

/* They are written together with the state, so nothing is to be waited for. */
static void check_nodes(const struct rig_device *device,
                        const struct node *nodes, unsigned nr)
{
    char path[160];

    for (unsigned i = 0; i < nr; i++) {
        unsigned length;
        char *value;

        snprintf(path, sizeof path, "%s/%s", device->back, nodes[i].name);
        value = xs_read(rig_xs, XBT_NULL, path, &length);
        if (!CHECK_STR(value, nodes[i].value))
            NOTE("%s", path);
        free(value);
    }
}
#define CHECK_NODES(device, nodes)                                           \
    check_nodes((device), (nodes), sizeof(nodes) / sizeof *(nodes))

/* Options as JSON: "\"queues\":\"2\"" or "". */
static json_t *attach(const struct rig_device *device, const char *mode,
                      const char *engine, const char *options)
{
    return rig_ask("{\"command\":\"attach\",\"domid\":%u,\"vdev\":\"%s\","
                   "\"target\":\"%s\",\"mode\":\"%s\",\"options\":{%s%s"
                   "\"engine\":\"%s\"}}", device->domid, device->vdev,
                   device->target, mode, options, *options ? "," : "",
                   engine);
}

static void write_number(const char *dir, const char *name, unsigned value)
{
    char text[12];

    snprintf(text, sizeof text, "%u", value);
    rig_write(dir, name, text);
}

/* Grants from 100 and ports from 10 on, then Initialised. */
static void publish(const struct rig_device *device, unsigned nr_queues,
                    unsigned order, const char *persistent)
{
    char dir[160], name[24];

    write_number(device->front, "multi-queue-num-queues", nr_queues);
    write_number(device->front, "ring-page-order", order);
    rig_write(device->front, "feature-persistent", persistent);
    rig_write(device->front, "protocol", "x86_64-abi");
    for (unsigned i = 0; i < nr_queues; i++) {
        snprintf(dir, sizeof dir, "%s", device->front);
        if (nr_queues > 1)
            snprintf(dir, sizeof dir, "%s/queue-%u", device->front, i);
        for (unsigned page = 0; page < 1u << order; page++) {
            snprintf(name, sizeof name, "ring-ref%u", page);
            write_number(dir, name, 100 + (i << order) + page);
        }
        write_number(dir, "event-channel", 10 + i);
    }
    rig_front(device, "3");
}

static void reconnect(const struct rig_device *device)
{
    rig_front(device, "6");
    CHECK(rig_back_is(device, "6"));
    rig_front(device, "1");
    CHECK(rig_back_is(device, "2"));
}

static bool was_told(const struct rig_device *device, const char *text)
{
    bool was = rig_await_text(device->log, text);

    if (!was)
        NOTE("never told: %s", text);
    return was;
}

/* --- what is said --------------------------------------------------------- */

static const struct node defaults[] = {
    { "feature-flush-cache", "1" }, { "feature-barrier", "1" },
    { "feature-persistent", "0" }, { "feature-max-indirect-segments", "256" },
    { "multi-queue-max-queues", "1" }, { "max-ring-page-order", "4" },
    { "max-ring-pages", "16" },
};

static void check_defaults(void)
{
    struct rig_device device = rig_device(5, "xvda", "defaults");

    CHECK(rig_ok(attach(&device, "w", "ok", "")));
    CHECK_NODES(&device, defaults);
    CHECK(!rig_exists(device.back, "sectors"));
    publish(&device, 1, 4, "1");
    CHECK(rig_back_is(&device, "4"));
    CHECK(was_told(&device, "queues=1 pages=16 sector=512 indirect=256 "
                            "grants=0 kept=1056 discard=1 secure=0"));
    CHECK(rig_detach(&device));
}

static void check_options(void)
{
    static const struct node ring[] = {
        { "feature-persistent", "1" }, { "feature-max-indirect-segments",
                                         "64" },
        { "multi-queue-max-queues", "4" }, { "max-ring-page-order", "2" },
        { "max-ring-pages", "4" },
    };
    static const struct node disk[] = {
        { "sectors", "131072" }, /* of 512 bytes, all the same */
        { "sector-size", "4096" }, { "physical-sector-size", "4096" },
    };
    struct rig_device device = rig_device(5, "xvda", "options");

    CHECK(rig_ok(attach(&device, "w", "small", "\"queues\":\"4\","
                        "\"ring-page-order\":\"2\",\"grants\":\"persistent\","
                        "\"indirect-segments\":\"64\",\"sector-size\":"
                        "\"4096\",\"persistent-grants\":\"7\"")));
    CHECK_NODES(&device, ring);
    publish(&device, 4, 2, "1");
    CHECK(rig_back_is(&device, "4"));
    CHECK_NODES(&device, disk);
    CHECK(was_told(&device, "queues=4 pages=4 sector=4096 indirect=64 "
                            "grants=2 kept=7"));
    reconnect(&device);
    publish(&device, 2, 0, "0"); /* less, and without persistent grants */
    CHECK(rig_back_is(&device, "4"));
    CHECK(was_told(&device, "queues=2 pages=1 sector=4096 indirect=64 "
                            "grants=0"));
    CHECK(rig_detach(&device));
}

static void check_map(void)
{
    struct rig_device device = rig_device(5, "xvda", "map");

    CHECK(rig_ok(attach(&device, "w", "ok", "\"grants\":\"map\"")));
    CHECK(rig_await(device.back, "feature-persistent", "0"));
    publish(&device, 1, 0, "1");
    CHECK(rig_back_is(&device, "4"));
    CHECK(was_told(&device, "grants=1"));
    CHECK(rig_detach(&device));
}

/* They share a worker, and each has its own way of being served. */
static void check_own_options(void)
{
    struct rig_device one = rig_device(5, "xvda", "own");
    struct rig_device other = rig_device(6, "xvda", "own");

    CHECK(rig_ok(attach(&one, "w!", "ok", "\"queues\":\"4\"")));
    CHECK(rig_ok(attach(&other, "w!", "ok", "\"sector-size\":\"4096\"")));
    CHECK(rig_await(one.back, "multi-queue-max-queues", "4"));
    CHECK(rig_await(other.back, "multi-queue-max-queues", "1"));
    publish(&one, 1, 0, "0");
    publish(&other, 1, 0, "0");
    CHECK(rig_await(one.back, "sector-size", "512"));
    CHECK(rig_await(other.back, "sector-size", "4096"));
    CHECK(was_told(&one, "domid=5 gref=100 port=10 abi=2 read_only=0 queues=1 "
                         "pages=1 sector=512"));
    CHECK(was_told(&one, "domid=6 gref=100 port=10 abi=2 read_only=0 queues=1 "
                         "pages=1 sector=4096"));
    CHECK_EQ(rig_count_text(one.log, "START"), 1);
    CHECK(rig_detach(&one));
    CHECK(rig_detach(&other));
}

static void check_info(void)
{
    static const struct {
        const char *type, *removable, *mode, *info;
    } rows[] = {
        { "disk", "0", "w", "0" }, { "cdrom", "0", "w", "1" },
        { "disk", "1", "w", "2" }, { "cdrom", "1", "r", "7" },
        { "disk", "yes", "r", "4" }, { "CDROM", "", "w", "0" },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig_device device = rig_device(5, "xvda", "info");

        CHECK(rig_ok(attach(&device, rows[i].mode, "ok", "")));
        rig_write(device.back, "device-type", rows[i].type);
        rig_write(device.back, "removable", rows[i].removable);
        rig_publish(&device, "3");
        CHECK(rig_back_is(&device, "4"));
        CHECK(rig_await(device.back, "info", rows[i].info));
        CHECK(rig_detach(&device));
    }
}

/* A node whose params cannot be understood keeps nobody waiting. */
static void check_no_params(void)
{
    struct rig_device device = rig_device(6, "xvda", "no-params");

    rig_write(device.front, "state", "1");
    rig_write(device.back, "params", "queues=99,nonsense");
    rig_write(device.back, "mode", "w");
    rig_write(device.back, "frontend", device.front);
    rig_write(device.back, "online", "1");
    rig_write(device.back, "script", "block-vbdd");
    rig_write(device.back, "state", "1");
    CHECK(rig_back_is(&device, "2"));
    CHECK_NODES(&device, defaults);
    CHECK(rig_refused(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                              "\"path\":\"%s\"}", device.back),
                      "target is 'queues=99,nonsense'"));
    rig_remove("/local/domain/0/backend/vbd/6");
}

/* --- sector sizes that cannot be ------------------------------------------ */

static void check_misfits(void)
{
    static const struct {
        const char *engine, *size, *said;
    } rows[] = {
        { "odd-size", "4096", "5/xvda cannot have sectors of 4096 bytes: the "
          "target's size, 67109376 bytes, is not a multiple of that" },
        { "big-sectors", "512", "5/xvda cannot have sectors of 512 bytes: "
          "those of its target have 4096" },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig_device device = rig_device(5, "xvda", rows[i].engine);
        char options[64];

        snprintf(options, sizeof options, "\"sector-size\":\"%s\"",
                 rows[i].size);
        CHECK(rig_refused(attach(&device, "w", rows[i].engine, options),
                          rows[i].said));
        CHECK(rig_await_disk_state(device.target, NULL));
        CHECK(rig_await(device.back, "state", NULL));
        CHECK_EQ(rig_count_text(device.log, "END"), 1);
    }
}

/* A disk that serves others already. */
static void check_late_misfit(void)
{
    struct rig_device first = rig_device(5, "xvda", "late");
    struct rig_device second = rig_device(6, "xvda", "late");

    CHECK(rig_ok(attach(&first, "w!", "odd-size", "")));
    publish(&first, 1, 0, "0");
    CHECK(rig_back_is(&first, "4"));
    CHECK(rig_refused(attach(&second, "w!", "odd-size",
                             "\"sector-size\":\"4096\""),
                      "6/xvda cannot have sectors of 4096 bytes"));
    CHECK(rig_await(second.back, "state", NULL));
    CHECK(rig_await(first.back, "state", "4"));
    CHECK_EQ(rig_count_text(first.log, "DISCONNECT"), 0);
    CHECK(rig_detach(&first));
}

/* --- C14 ------------------------------------------------------------------ */

static void configure(const char *text)
{
    FILE *file = fopen(rig_path("vbdd.conf"), "w");

    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static const char rich[] = "[defaults]\nqueues = 4\nring-page-order = 3\n"
    "indirect-segments = 128\ngrants = persistent\nsector-size = 4096\n";
static const char poor[] = "[defaults]\nqueues = 2\nring-page-order = 1\n"
    "indirect-segments = 0\ngrants = copy\nsector-size = 512\n";

static const struct node all_rich[] = {
    { "feature-flush-cache", "1" }, { "feature-barrier", "1" },
    { "feature-persistent", "1" }, { "feature-max-indirect-segments", "128" },
    { "multi-queue-max-queues", "4" }, { "max-ring-page-order", "3" },
    { "max-ring-pages", "8" }, { "sector-size", "4096" },
    { "physical-sector-size", "4096" }, { "feature-discard", "1" },
    { "discard-secure", "1" }, { "discard-granularity", "4096" },
};
static const struct node all_poor[] = {
    { "feature-persistent", "0" }, { "feature-max-indirect-segments", "0" },
    { "multi-queue-max-queues", "2" }, { "max-ring-page-order", "1" },
    { "max-ring-pages", "2" },
};
static const char told_rich[] = "queues=4 pages=8 sector=4096 indirect=128 "
                                "grants=2 kept=1056 discard=1 secure=1";

static void check_never_less(void)
{
    struct rig_device device = rig_device(5, "xvda", "rich");
    struct rig_device fresh = rig_device(5, "xvdb", "poor");

    CHECK_EQ(rig_stop_vbdd(), 0);
    configure(rich);
    rig_start_vbdd();
    CHECK(rig_ok(attach(&device, "w", "fickle", "")));
    publish(&device, 4, 3, "1");
    CHECK(rig_back_is(&device, "4"));
    CHECK_NODES(&device, all_rich);
    CHECK_EQ(rig_count_text(device.log, told_rich), 1);
    CHECK_EQ(rig_stop_vbdd(), 0);
    configure(poor);
    rig_touch(device.go); /* no discard any more */
    rig_front(&device, "6");
    rig_start_vbdd();
    CHECK(rig_back_is(&device, "6"));
    rig_front(&device, "1");
    CHECK(rig_back_is(&device, "2"));
    CHECK_NODES(&device, all_rich);
    publish(&device, 4, 3, "1");
    CHECK(rig_back_is(&device, "4"));
    CHECK_NODES(&device, all_rich);
    CHECK_EQ(rig_count_text(device.log, told_rich), 2);
    reconnect(&device); /* and it is not forgotten later */
    CHECK_NODES(&device, all_rich);
    /* A new node is a new beginning. */
    CHECK(rig_ok(attach(&fresh, "w", "ok", "")));
    CHECK_NODES(&fresh, all_poor);
    CHECK(rig_detach(&fresh));
    CHECK(rig_detach(&device));
    CHECK_EQ(rig_stop_vbdd(), 0);
}

/* The end of what a disk has grown by need not be a whole sector: that takes
 * nothing away from who had sectors of that size. */
static void check_grown(void)
{
    struct rig_device device = rig_device(5, "xvda", "grown");
    FILE *size;

    configure(rich);
    rig_start_vbdd();
    CHECK(rig_ok(attach(&device, "w", "ok", "")));
    publish(&device, 1, 0, "0");
    CHECK(rig_await(device.back, "sectors", "131072"));
    CHECK_EQ(rig_stop_vbdd(), 0);
    size = fopen(rig_path("grown.size"), "w");
    REQUIRE(size && fprintf(size, "%u", (64u << 20) + 4096 + 512) > 0 &&
            fclose(size) == 0);
    rig_front(&device, "6");
    rig_start_vbdd();
    CHECK(rig_back_is(&device, "6"));
    rig_front(&device, "1");
    CHECK(rig_back_is(&device, "2"));
    publish(&device, 1, 0, "0");
    CHECK(rig_await(device.back, "sectors", "131080"));
    CHECK(rig_await(device.back, "sector-size", "4096"));
    CHECK(rig_detach(&device));
    CHECK_EQ(rig_stop_vbdd(), 0);
}

/* More may be offered at any time. */
static void check_more(void)
{
    struct rig_device device = rig_device(5, "xvda", "more");
    static const struct node ring[] = {
        { "feature-persistent", "1" }, { "feature-max-indirect-segments",
                                         "128" },
        { "multi-queue-max-queues", "4" }, { "max-ring-page-order", "3" },
        { "max-ring-pages", "8" },
    };

    configure(poor);
    rig_start_vbdd();
    CHECK(rig_ok(attach(&device, "w", "ok", "")));
    publish(&device, 1, 0, "1");
    CHECK(rig_await(device.back, "sector-size", "512"));
    CHECK_EQ(rig_stop_vbdd(), 0);
    configure(rich);
    rig_front(&device, "6");
    rig_start_vbdd();
    CHECK(rig_back_is(&device, "6"));
    rig_front(&device, "1");
    CHECK(rig_back_is(&device, "2"));
    CHECK_NODES(&device, ring);
    publish(&device, 4, 3, "1");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_await(device.back, "sector-size", "512"));
    CHECK(was_told(&device, "queues=4 pages=8 sector=512 indirect=128 "
                            "grants=2"));
    CHECK(rig_detach(&device));
}

/* What a later version may have said is honoured as far as this one goes, and
 * what makes no sense counts as not said. */
static void check_odd_past(void)
{
    static const struct node past[] = {
        { "multi-queue-max-queues", "64" }, { "max-ring-page-order", "9" },
        { "feature-max-indirect-segments", "99999999999999999999999" },
        { "feature-persistent", "yes" }, { "sector-size", "520" },
    };
    static const struct node now[] = {
        { "multi-queue-max-queues", "4" }, { "max-ring-page-order", "4" },
        { "max-ring-pages", "16" }, { "feature-max-indirect-segments", "0" },
        { "feature-persistent", "0" },
    };
    struct rig_device device = rig_device(5, "xvda", "past");

    CHECK_EQ(rig_stop_vbdd(), 0);
    configure(poor);
    rig_start_vbdd();
    CHECK(rig_ok(attach(&device, "w", "ok", "")));
    CHECK_EQ(rig_stop_vbdd(), 0);
    for (unsigned i = 0; i < sizeof past / sizeof *past; i++)
        rig_write(device.back, past[i].name, past[i].value);
    rig_start_vbdd();
    CHECK(rig_await(device.back, "multi-queue-max-queues", "4"));
    CHECK(rig_back_is(&device, "2"));
    CHECK_NODES(&device, now);
    rig_publish(&device, "3");
    CHECK(rig_await(device.back, "sector-size", "512"));
    CHECK(rig_detach(&device));
}

/* --- the document --------------------------------------------------------- */

enum { MAX_NAMES = 64 };

struct names {
    char names[MAX_NAMES][40];
    unsigned nr;
};

static bool has(const struct names *names, const char *name)
{
    for (unsigned i = 0; i < names->nr; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    return false;
}

/* "    one, two" begins an entry; "         Written by: WHO" says whose. */
static void read_document(struct names *back, struct names *toolstack)
{
    const char *top = getenv("top_srcdir");
    char path[512], line[256], heading[256] = "";
    bool is_in = false;
    FILE *file;

    snprintf(path, sizeof path, "%s/docs/PROTOCOL.md", top ? top : ".");
    file = fopen(path, "r");
    REQUIRE(file);
    while (fgets(line, sizeof line, file)) {
        struct names *to = strstr(line, "back end") ? back : toolstack;

        if (strncmp(line, "###", 3) == 0)
            is_in = strcmp(line, "### Back-end directory\n") == 0;
        if (strncmp(line, "    ", 4) == 0 && line[4] >= 'a')
            strcpy(heading, line);
        if (!is_in || !strstr(line, "Written by:"))
            continue;
        for (char *name = strtok(heading, " ,\n"); name;
             name = strtok(NULL, " ,\n")) {
            REQUIRE(to->nr < MAX_NAMES && strlen(name) < sizeof *to->names);
            strcpy(to->names[to->nr++], name);
        }
    }
    fclose(file);
}

/* Those of the node, but for what libxl has there that we do not look at. */
static void read_names(const struct rig_device *device, struct names *names)
{
    static const char *const not_ours[] = {
        "bootable", "dev", "discard-enable", "hotplug-status", "script",
        "type",
    };
    unsigned nr;
    char **children = xs_directory(rig_xs, XBT_NULL, device->back, &nr);

    REQUIRE(children);
    for (unsigned i = 0; i < nr; i++) {
        bool is_ours = true;

        for (unsigned j = 0; j < sizeof not_ours / sizeof *not_ours; j++)
            is_ours &= strcmp(children[i], not_ours[j]) != 0;
        if (is_ours && names->nr < MAX_NAMES &&
            CHECK(strlen(children[i]) < sizeof *names->names))
            strcpy(names->names[names->nr++], children[i]);
    }
    free(children);
}

static void check_subset(const struct names *one, const struct names *other,
                         const char *sentence)
{
    for (unsigned i = 0; i < one->nr; i++)
        if (!CHECK(has(other, one->names[i])))
            NOTE("%s %s", one->names[i], sentence);
}

static void check_document(void)
{
    struct rig_device device = rig_device(5, "xvda", "document");
    static struct names back, all, found;

    read_document(&back, &all);
    CHECK(has(&back, "max-ring-pages") && has(&all, "mode"));
    CHECK(rig_ok(attach(&device, "w", "fickle", "")));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_await(device.back, "hotplug-status", "connected"));
    rig_write(device.back, "error", "there is none, but there may be");
    read_names(&device, &found);
    CHECK(rig_detach(&device));
    check_subset(&back, &found, "is described, but not written");
    for (unsigned i = 0; i < back.nr && all.nr < MAX_NAMES; i++)
        strcpy(all.names[all.nr++], back.names[i]);
    check_subset(&found, &all, "is written, but not described");
}

int main(void)
{
    rig_start("");
    TEST("without options the defaults are offered", check_defaults);
    TEST("options are offered, and the worker is told what was taken",
         check_options);
    TEST("mapped grants are for who does not keep his", check_map);
    TEST("vbds of one disk have options of their own", check_own_options);
    TEST("info says what kind of disk it is", check_info);
    TEST("a node that cannot be understood offers the defaults, at once",
         check_no_params);
    TEST("a sector size that does not fit is refused at the attach",
         check_misfits);
    TEST("it is refused where the disk serves another already, too",
         check_late_misfit);
    TEST("the nodes that are written are those that are described",
         check_document);
    TEST("what was offered once is offered by a poorer vbdd as well (C14)",
         check_never_less);
    TEST("large sectors are kept on a disk that has grown by half of one",
         check_grown);
    TEST("a richer vbdd offers more at the next connection", check_more);
    TEST("an earlier offer that cannot be kept is kept as far as can be",
         check_odd_past);
    rig_end();
    return tap_done();
}
