/* SPDX-License-Identifier: MIT
 * Claim: a guest uses what its disk has grown by without closing it, is not
 * disturbed by a shrink that is refused, and vbdctl's features and counts are
 * those of what the guest has negotiated and done. Source: C14,
 * docs/CONTROL.md. Mechanism: a real vbdd with a real worker on the stand-in,
 * and the driver core as guest in this process. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/port-local/port-local.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { DOMAIN_PAGES = 8192, OLD_SECTORS = 131072, NEW_SECTORS = 262144 };
static const uint64_t PATIENCE_US = 60000000;

static struct rig_device device;
static struct port_local *domain;
static const struct vbdfront_port *port;
static struct vbdfront *front;
static uint8_t *page;

static void use_real_worker(void)
{
    char program[512], *real;

    snprintf(program, sizeof program, "%s/vbdd-disk", rig_builddir());
    real = realpath(program, NULL);
    REQUIRE(real && unlink(rig_path("worker")) == 0 &&
            symlink(real, rig_path("worker")) == 0);
    free(real);
}

static void connect_guest(void)
{
    struct vbdfront_config config;

    vbdfront_get_defaults(&config);
    config.max_queues = 2;
    config.use_persistent = true;
    REQUIRE(port_local_open(rig_dir, 5, DOMAIN_PAGES, &domain) == 0);
    port = port_local_table(domain);
    device = rig_device(5, "xvda", "disk");
    REQUIRE(rig_ok(rig_ask(
        "{\"command\":\"attach\",\"domid\":5,\"vdev\":\"xvda\",\"target\":"
        "\"%s\",\"options\":{\"buffered\":\"yes\",\"queues\":\"4\","
        "\"grants\":\"persistent\",\"indirect-segments\":\"64\","
        "\"ring-page-order\":\"2\"}}", device.target)));
    REQUIRE(vbdfront_open(port, device.front, &config, &front) == 0);
    REQUIRE(vbdfront_connect(front, PATIENCE_US) == 0);
    page = port->page_alloc(port->context, 1);
    REQUIRE(page);
}

static void disconnect_guest(void)
{
    CHECK_EQ(vbdfront_disconnect(front, PATIENCE_US), 0);
    vbdfront_close(front);
    CHECK(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":5,"
                         "\"vdev\":\"xvda\"}")));
    port_local_close(domain);
}

static json_t *resize_to(long long bytes)
{
    REQUIRE(truncate(device.target, bytes) == 0);
    return rig_ask("{\"command\":\"resize\",\"vbd\":\"5/xvda\"}");
}

static bool await_sectors(uint64_t sectors)
{
    uint64_t start_us = port->now_us(port->context);

    while (vbdfront_info(front)->nr_sectors != sectors &&
           port->now_us(port->context) - start_us < PATIENCE_US) {
        port->wait(port->context, 10000);
        vbdfront_poll(front);
    }
    return vbdfront_info(front)->nr_sectors == sectors;
}

static bool can_use(uint64_t sector)
{
    uint8_t stamp = (uint8_t)(sector % 251 + 1);
    bool is_good;

    memset(page, stamp, 512);
    is_good = vbdfront_do(front, VBDFRONT_WRITE, 0, sector, 1, page) == 0;
    memset(page, 0, 512);
    return is_good &&
           vbdfront_do(front, VBDFRONT_READ, 0, sector, 1, page) == 0 &&
           page[0] == stamp && page[511] == stamp;
}

static void check_growth(void)
{
    const json_t *reply;

    CHECK_EQ(vbdfront_info(front)->nr_sectors, OLD_SECTORS);
    CHECK(can_use(OLD_SECTORS - 1));
    CHECK(!can_use(OLD_SECTORS));
    reply = resize_to(NEW_SECTORS * 512ll);
    CHECK(rig_ok(reply));
    CHECK_EQ(json_integer_value(json_object_get(reply, "bytes")),
             NEW_SECTORS * 512ll);
    CHECK(await_sectors(NEW_SECTORS));
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CONNECTED);
    CHECK(can_use(OLD_SECTORS));
    CHECK(can_use(NEW_SECTORS - 1));
    CHECK(!can_use(NEW_SECTORS));
}

static void check_shrink(void)
{
    CHECK(rig_refused(resize_to(OLD_SECTORS * 512ll), "become smaller"));
    REQUIRE(truncate(device.target, NEW_SECTORS * 512ll) == 0);
    CHECK(rig_await(device.back, "sectors", "262144"));
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CONNECTED);
    CHECK(can_use(NEW_SECTORS - 1));
}

static json_t *vbd_of(const json_t *vbds)
{
    REQUIRE(json_array_size(vbds) == 1);
    return json_array_get(vbds, 0);
}

static long long integer(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void check_features(void)
{
    const json_t *reply = rig_ask("{\"command\":\"features\"}"), *vbd, *offered,
                 *taken;

    CHECK(rig_ok(reply));
    vbd = vbd_of(json_object_get(reply, "vbds"));
    offered = json_object_get(vbd, "offered");
    taken = json_object_get(vbd, "taken");
    CHECK_EQ(integer(offered, "queues"), 4);
    CHECK_EQ(integer(taken, "queues"), 2);
    CHECK_EQ(integer(offered, "ring_pages"), 4);
    CHECK_EQ(integer(taken, "ring_pages"), 4);
    CHECK_EQ(integer(offered, "indirect_segments"), 64);
    CHECK_EQ(integer(taken, "indirect_segments"), 64);
    CHECK(json_is_true(json_object_get(offered, "persistent")));
    CHECK_STR(json_string_value(json_object_get(taken, "grants")),
              "persistent");
    CHECK_STR(json_string_value(json_object_get(taken, "abi")), "x86_64");
    CHECK(json_is_false(json_object_get(taken, "write_through")));
}

/* Each sum is known twice. */
static void check_counts(void)
{
    const json_t *reply = rig_ask("{\"command\":\"stats\",\"histogram\":true}");
    const json_t *disk = json_array_get(json_object_get(reply, "disks"), 0);
    const json_t *vbd = vbd_of(json_object_get(disk, "vbds"));
    const json_t *latency = json_object_get(disk, "latency");
    long long requests = 0, responses = 0, timed = 0, least_us = 0,
              most_us = 0;
    struct vbdfront_stats stats;
    json_t *queue, *bucket;
    size_t i;

    vbdfront_get_stats(front, &stats);
    CHECK_EQ(json_array_size(json_object_get(vbd, "queues")), 2);
    json_array_foreach(json_object_get(vbd, "queues"), i, queue) {
        requests += integer(queue, "requests");
        responses += integer(queue, "responses");
    }
    json_array_foreach(json_object_get(latency, "buckets"), i, bucket) {
        timed += integer(bucket, "count");
        least_us += integer(bucket, "count") * integer(bucket, "from_us");
        most_us += integer(bucket, "count") * integer(bucket, "below_us");
    }
    CHECK(stats.ring_requests > 0);
    CHECK_EQ(requests, stats.ring_requests);
    CHECK_EQ(responses, stats.responses);
    CHECK_EQ(timed, stats.responses);
    CHECK(integer(latency, "total_us") >= least_us);
    CHECK(integer(latency, "total_us") <= most_us);
    CHECK(integer(vbd, "persistent_grants") > 0);
}

int main(void)
{
    rig_start("");
    use_real_worker();
    connect_guest();
    TEST("a guest uses what its disk has grown by", check_growth);
    TEST("a shrink is refused and disturbs nobody", check_shrink);
    TEST("features are what both ends have agreed on", check_features);
    TEST("what was counted is what the guest did", check_counts);
    TEST("the guest closes as ever", disconnect_guest);
    rig_end();
    return tap_done();
}
