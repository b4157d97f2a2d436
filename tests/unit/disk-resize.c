/* SPDX-License-Identifier: MIT
 * Claim: RESIZE makes what the target has grown by usable through a vbd that
 * is connected already, and refuses to shrink, or what cannot be resized, with
 * a sentence; LOG_LEVEL changes what a running worker says.
 * Source: C14; message.h (MESSAGE_RESIZE, MESSAGE_LOG_LEVEL).
 * Mechanism: a real vbdd-disk on a file whose size the test sets. */
#include "tests/unit/disk-rig.h"

enum { SMALL = 1 << 20, LARGE = 2 << 20 };

static char folder[] = "/var/tmp/vbdd-disk-resize.XXXXXX", target[64];

static void set_size(off_t bytes)
{
    int fd = open(target, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    REQUIRE(fd >= 0 && ftruncate(fd, bytes) == 0);
    close(fd);
}

static struct message ask_resize(struct rig *rig)
{
    return rig_ask(rig, (struct message){ .type = MESSAGE_RESIZE });
}

/* The status of a write of the page that ends at end_bytes. */
static int write_last_page(struct rig_guest *guest, uint64_t end_bytes)
{
    struct blkif_wire_request r =
        rig_request(guest, BLKIF_OP_WRITE, end_bytes / 512 - 8, 1, true);
    int status = rig_do(guest, r);

    rig_end_grants(guest, &r);
    return status;
}

static void check_resize(void)
{
    const char *const arguments[] = { "--target", target, NULL };
    struct message reply;
    struct rig rig;
    struct rig_guest guest;

    set_size(SMALL);
    rig_open(&rig, "log:file='/dev/null'/aio", arguments);
    CHECK_EQ(rig.ready.size_bytes, SMALL);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    set_size(LARGE + 100);
    CHECK_EQ(write_last_page(&guest, LARGE), BLKIF_RSP_ERROR);
    reply = ask_resize(&rig);
    CHECK_EQ(reply.error, 0);
    CHECK_EQ(reply.ready.size_bytes, LARGE);
    CHECK_EQ(reply.ready.sector_bytes, rig.ready.sector_bytes);
    CHECK_STR(reply.ready.claim, rig.ready.claim);
    CHECK_EQ(write_last_page(&guest, LARGE), BLKIF_RSP_OKAY);
    CHECK_EQ(write_last_page(&guest, LARGE + 512), BLKIF_RSP_ERROR);
    CHECK_EQ(ask_resize(&rig).error, 0); /* once more: the same */

    set_size(SMALL);
    reply = ask_resize(&rig);
    CHECK_EQ(reply.error, -EINVAL);
    CHECK(strstr(reply.text, "smaller than the disk's 2097152 bytes"));
    CHECK_EQ(write_last_page(&guest, SMALL), BLKIF_RSP_OKAY);
    CHECK_EQ(write_last_page(&guest, LARGE), BLKIF_RSP_ERROR);
    set_size(LARGE);
    CHECK_EQ(ask_resize(&rig).error, 0);
    CHECK_EQ(write_last_page(&guest, LARGE), BLKIF_RSP_OKAY);

    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* What it has grown by need not end with a whole sector, and a front end that
 * comes again still has sectors of that size. */
static void check_large_sectors(void)
{
    const char *const arguments[] = { "--target", target, NULL };
    struct rig rig;
    struct rig_guest guest;

    unlink(target);
    set_size(SMALL);
    rig_open(&rig, "aio", arguments);
    rig.wish.sector_bytes = 4096;
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    set_size(LARGE + 512);
    CHECK_EQ(ask_resize(&rig).error, 0);
    CHECK_EQ(write_last_page(&guest, LARGE), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    CHECK_EQ(write_last_page(&guest, LARGE), BLKIF_RSP_OKAY);
    CHECK_EQ(write_last_page(&guest, LARGE + 512), BLKIF_RSP_ERROR);
    CHECK_EQ(write_last_page(&guest, LARGE + 4096), BLKIF_RSP_ERROR);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_fixed(void)
{
    struct message reply;
    struct rig rig;

    rig_open(&rig, "mem:size=1M", NULL);
    reply = ask_resize(&rig);
    CHECK_EQ(reply.error, -EOPNOTSUPP);
    CHECK(strstr(reply.text, "'mem:size=1M' has the size"));
    CHECK_EQ(rig_detach(&rig), 0);
}

static int ask_log_level(struct rig *rig, uint32_t level)
{
    struct message message = { .type = MESSAGE_LOG_LEVEL };

    message.log_level = level;
    return rig_ask(rig, message).error;
}

/* A ring that lies is worth a warning. */
static void break_a_ring(struct rig *rig)
{
    struct blkif_sring *shared;
    struct rig_guest guest;

    rig_guest_open(rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(rig, &guest, RIG_DOMID, 1) == 0);
    shared = (void *)rig_frame(&guest, RIG_RING_FRAME);
    shared->req_prod = 1000;
    local_event_notify(guest.local, guest.queues[0].port);
    rig->told.type = 0;
    CHECK(rig_is_told(rig, MESSAGE_BROKEN));
    CHECK_EQ(rig_disconnect(rig, &guest, 1), 0);
    rig_guest_close(&guest);
}

static void check_log_level(void)
{
    char log[80];
    struct stat status;
    struct rig rig;
    int fd, saved = dup(STDERR_FILENO);

    snprintf(log, sizeof log, "%s/log", folder);
    fd = open(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && saved >= 0);
    dup2(fd, STDERR_FILENO);
    rig_open(&rig, "mem:size=1M", NULL); /* --log-level error */
    dup2(saved, STDERR_FILENO);
    close(saved);
    break_a_ring(&rig);
    CHECK(fstat(fd, &status) == 0 && status.st_size == 0);
    CHECK_EQ(ask_log_level(&rig, LOG_LEVEL_DEBUG + 1), -EINVAL);
    break_a_ring(&rig);
    CHECK(fstat(fd, &status) == 0 && status.st_size == 0);
    CHECK_EQ(ask_log_level(&rig, LOG_LEVEL_WARNING), 0);
    break_a_ring(&rig);
    CHECK(fstat(fd, &status) == 0 && status.st_size > 0);
    CHECK_EQ(rig_detach(&rig), 0);
    close(fd);
    unlink(log);
}

int main(void)
{
    REQUIRE(mkdtemp(folder));
    snprintf(target, sizeof target, "%s/disk", folder);
    TEST("a vbd can use what its target has grown by, and no disk shrinks",
         check_resize);
    TEST("a vbd with large sectors keeps them on a disk that has grown by half "
         "of one", check_large_sectors);
    TEST("a disk of a fixed size refuses to be resized", check_fixed);
    TEST("a worker says as much as it is told to", check_log_level);
    unlink(target);
    rmdir(folder);
    return tap_done();
}
