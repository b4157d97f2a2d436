/* SPDX-License-Identifier: MIT
 * Claim: a worker that a guest has taken over costs its own disk, and the
 * supervisor neither memory, nor descriptors, nor pages of log.
 * Source: THREAT-MODEL.md, "What a compromised worker can reach". Mechanism: a
 * real vbdd on the stand-in, with workers that are hostile as their engine
 * says. */
#include <unistd.h>

#include "tests/unit/process.h"
#include "tests/unit/supervisor-rig.h"

static bool dies(const char *mode)
{
    struct rig_device device = rig_device(5, "xvda", mode);

    return rig_ok(rig_attach(&device, "w", mode)) &&
           rig_await_disk_state(device.target, "failed") &&
           rig_detach(&device) && rig_await_disk_state(device.target, NULL);
}

static unsigned lines(const char *text)
{
    return rig_count_text(rig_path("vbdd.log"), text);
}

/* A control client's may be there a moment longer. */
static bool await_fds(unsigned most)
{
    for (unsigned i = 0; i < 500 && process_fds(rig_vbdd_pid()) > most; i++)
        usleep(10000);
    return process_fds(rig_vbdd_pid()) <= most;
}

/* Descriptors are kept with a READY that can be, and once: all of these were
 * in the socket before it was killed. */
static void check_greedy(void)
{
    struct rig_device device = rig_device(5, "xvda", "greedy");
    unsigned before = process_fds(rig_vbdd_pid());

    CHECK(rig_refused(rig_attach(&device, "w", "greedy"),
                      "worker killed by signal 9"));
    CHECK(rig_await_disk_state(device.target, NULL));
    CHECK(await_fds(before + 1));
}

static void check_ghost(void)
{
    CHECK(dies("ghost"));
    CHECK_EQ(lines("4711"), 0);
    CHECK_EQ(lines("BROKEN (of a vbd that it does not have)"), 1);
}

static void check_parrot(void)
{
    struct rig_device device = rig_device(5, "xvda", "parrot");

    CHECK(rig_ok(rig_attach(&device, "w", "parrot")));
    CHECK(rig_await_disk_state(device.target, "fail-stop"));
    CHECK(rig_detach(&device));
    CHECK_EQ(lines("in fail-stop: once more"), 1);
}

int main(void)
{
    rig_start("");
    TEST("descriptors are kept once, and with a READY that can be",
         check_greedy);
    TEST("a worker that speaks of others' vbds is killed", check_ghost);
    TEST("what a worker says 5000 times is heard once", check_parrot);
    rig_end();
    return tap_done();
}
