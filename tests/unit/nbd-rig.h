/* SPDX-License-Identifier: MIT
 * A worker with a door for NBD clients, a ring beside it where one is wanted,
 * and files for it. Process-wide state as in disk-rig.h. */
#ifndef VBDD_TESTS_NBD_RIG_H
#define VBDD_TESTS_NBD_RIG_H

#include "tests/unit/disk-rig.h"
#include "tests/unit/nbd-client.h"

static struct rig rig;
static char nbd_folder[64], nbd_path[96];
static char nbd_target[96], nbd_journal[96], nbd_failing[96];

static inline void nbd_rig_files(void)
{
    const char *where = getenv("VBDD_TEST_DIR");

    snprintf(nbd_folder, sizeof nbd_folder, "%.30s/vbdd-nbd.XXXXXX",
             where ? where : "/var/tmp");
    REQUIRE(mkdtemp(nbd_folder));
    snprintf(nbd_path, sizeof nbd_path, "%s/nbd", nbd_folder);
    snprintf(nbd_target, sizeof nbd_target, "%s/target", nbd_folder);
    snprintf(nbd_journal, sizeof nbd_journal, "%s/journal", nbd_folder);
    snprintf(nbd_failing, sizeof nbd_failing, "%s/failing", nbd_folder);
}

static inline void nbd_rig_remove_files(void)
{
    unlink(nbd_path);
    unlink(nbd_target);
    unlink(nbd_journal);
    unlink(nbd_failing);
    CHECK_EQ(rmdir(nbd_folder), 0);
}

static inline void nbd_rig_make_file(const char *path, off_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    REQUIRE(fd >= 0 && ftruncate(fd, bytes) == 0);
    close(fd);
}

/* Starts a worker with a door, by rig_open() or rig_restart_worker(); arguments
 * end with NULL. */
static inline void
nbd_rig_launch(void (*launch)(struct rig *rig, const char *engine,
                              const char *const *arguments),
               const char *engine, const char *const *arguments)
{
    const char *argv[20] = { "--nbd-socket" };
    int listener = socket_listen(nbd_path, SOCK_STREAM);
    int fd = fcntl(listener, F_DUPFD, 100); /* inherited */
    char number[16];
    unsigned n = 2;

    REQUIRE(fd >= 0);
    close(listener);
    snprintf(number, sizeof number, "%d", fd);
    argv[1] = number;
    while (arguments && *arguments)
        argv[n++] = *arguments++;
    launch(&rig, engine, argv);
    close(fd);
}

static inline void nbd_rig_open(const char *engine,
                                const char *const *arguments)
{
    nbd_rig_launch(rig_open, engine, arguments);
}

/* On nbd_target, of that size, which is made anew. */
static inline void nbd_rig_open_file(const char *engine, off_t bytes)
{
    const char *const arguments[] = { "--target", nbd_target, NULL };

    nbd_rig_make_file(nbd_target, bytes);
    nbd_rig_open(engine, arguments);
}

static inline struct message_nbd_stats nbd_rig_stats(void)
{
    struct message reply = rig_ask(&rig, (struct message){
        .type = MESSAGE_NBD_STATS });

    CHECK_EQ(reply.error, 0);
    return reply.nbd_stats;
}

/* Waits until so many clients are left. */
static inline bool nbd_rig_has_clients(unsigned nr)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (nbd_rig_stats().nr_clients == nr)
            return true;
        usleep(1000);
    }
    return false;
}

/* The next event, which has to be of that kind. */
static inline bool nbd_rig_is_told(enum message_nbd_kind kind)
{
    rig.told.type = 0;
    return CHECK(rig_is_told(&rig, MESSAGE_NBD_EVENT)) &&
           CHECK_EQ(rig.told.nbd_event.kind, kind);
}

/* Byte `at` of the disk as the seed has it. */
static inline uint8_t nbd_stamp_at(uint64_t at, unsigned seed)
{
    return (uint8_t)(seed * 37 + at / 512 * 11 + at * 7 + at / 4099);
}

static inline void nbd_stamp(uint8_t *data, uint64_t offset, uint32_t length,
                             unsigned seed)
{
    for (uint32_t i = 0; i < length; i++)
        data[i] = nbd_stamp_at(offset + i, seed);
}

static inline uint32_t nbd_differences(const uint8_t *data, uint64_t offset,
                                       uint32_t length, unsigned seed)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < length; i++)
        wrong += data[i] != nbd_stamp_at(offset + i, seed);
    return wrong;
}

#endif
