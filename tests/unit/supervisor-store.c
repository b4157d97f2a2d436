/* SPDX-License-Identifier: MIT
 * Claim: a XenStore that goes is reported, and costs no guest its disk: what is
 * connected is served on, nothing waits or spins, and when it answers again
 * vbdd ends, in order and with a status that has it started anew; but not for
 * one that knows nothing of what is served. Source: vbdd(8), "TROUBLESHOOTING".
 * Mechanism: a vbdd for Xen, whose xenstored is the stand-in's behind a relay;
 * the relay goes, and comes again. */
#include <signal.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

/* --- the relay ------------------------------------------------------------ */

static pid_t relay;

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static bool pass_on(int from, int to)
{
    char bytes[2048];
    ssize_t length = read(from, bytes, sizeof bytes);

    return length > 0 && write(to, bytes, (size_t)length) == length;
}

/* One connection, until either end goes. */
static void serve_one(int one, const char *store)
{
    struct sockaddr_un address = address_of(store);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    struct pollfd fds[2] = { { one, POLLIN, 0 }, { other, POLLIN, 0 } };

    if (connect(other, (struct sockaddr *)&address, sizeof address) < 0)
        return;
    while (poll(fds, 2, -1) > 0)
        if ((fds[0].revents && !pass_on(one, other)) ||
            (fds[1].revents && !pass_on(other, one)))
            return;
}

static void run_relay(int listener, const char *store)
{
    setpgid(0, 0); /* so that all of it can be ended at once */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int one = accept(listener, NULL, NULL);

        if (one >= 0 && fork() == 0) {
            serve_one(one, store);
            _exit(0);
        }
        close(one);
    }
}

static void start_relay(const char *store)
{
    struct sockaddr_un address = address_of(rig_path("relay"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    unlink(address.sun_path);
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 8) == 0);
    fflush(stdout);
    relay = fork();
    if (relay == 0)
        run_relay(listener, store);
    setpgid(relay, relay);
    close(listener);
}

static void stop_relay(void)
{
    kill(-relay, SIGKILL);
    waitpid(relay, NULL, 0);
    unlink(rig_path("relay"));
}

/* --- vbdd, and a guest ---------------------------------------------------- */

static struct rig_device device;

static void start(void)
{
    REQUIRE(truncate(rig_path("vbdd.log"), 0) == 0);
    rig_unlink(device.log);
    start_relay(rig_path("xenstored"));
    setenv("XENSTORED_PATH", rig_path("relay"), 1);
    rig_start_vbdd_for_xen();
}

static void connect_guest(void)
{
    rig_write(device.front, "state", "1");
    rig_write(device.back, "frontend", device.front);
    rig_write(device.back, "params", device.target);
    rig_write(device.back, "mode", "w");
    rig_write(device.back, "online", "1");
    rig_write(device.back, "script", "/etc/xen/scripts/block-vbdd");
    rig_write(device.back, "state", "1");
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_ok(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                         "\"path\":\"%s\"}", device.back)));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
}

static void take_away(void)
{
    rig_remove(device.front);
    rig_remove(device.back);
}

static bool says(const char *text)
{
    return rig_await_text(rig_path("vbdd.log"), text);
}

static bool is_served(void)
{
    const json_t *vbd = rig_vbd(device.name);
    const char *ring = json_string_value(json_object_get(vbd, "ring"));

    return ring && strcmp(ring, "connected") == 0;
}

/* --- tests ---------------------------------------------------------------- */

static void check_comes_back(void)
{
    start();
    connect_guest();
    stop_relay();
    CHECK(says("the XenStore has gone"));
    CHECK(is_served());
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 0);
    start_relay(rig_path("xenstored"));
    CHECK(says("a XenStore answers again"));
    CHECK_EQ(rig_await_vbdd(), 1);
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
    stop_relay();
    take_away();
}

static void check_idle_comes_back(void)
{
    start();
    stop_relay();
    CHECK(says("the XenStore has gone"));
    start_relay(rig_path("xenstored"));
    CHECK(says("a XenStore answers again"));
    CHECK_EQ(rig_await_vbdd(), 1);
    stop_relay();
}

/* It serves on, and answers. */
static void check_stays_away(void)
{
    start();
    connect_guest();
    stop_relay();
    CHECK(says("the XenStore has gone"));
    for (unsigned i = 0; i < 3; i++) {
        CHECK(is_served());
        CHECK(rig_refused(rig_ask("{\"command\":\"hotplug\",\"action\":"
                                  "\"add\",\"path\":\"%s0\"}", device.back),
                          ""));
        sleep(1);
    }
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), "the XenStore has gone"),
             1);
    CHECK_EQ(rig_stop_vbdd(), 0);
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
    take_away();
}

/* Empty, as after a restart that has lost all. */
static void check_other_store(void)
{
    start();
    connect_guest();
    stop_relay();
    CHECK(says("the XenStore has gone"));
    take_away();
    start_relay(rig_path("xenstored"));
    CHECK(says("does not have the disks that are served"));
    CHECK(is_served());
    CHECK_EQ(rig_count_text(device.log, "END"), 0);
    stop_relay();
    CHECK_EQ(rig_stop_vbdd(), 0);
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
}

/* In the middle of whatever it does with the store. */
static void check_in_flight(void)
{
    for (unsigned round = 0; round < tap_scaled(10); round++) {
        start();
        for (unsigned i = 0; i < 20 + round * 7; i++)
            rig_write(device.front, "state", i % 2 ? "1" : "6");
        connect_guest();
        for (unsigned i = 0; i < 20 + round * 3; i++)
            rig_write(device.front, "state", i % 2 ? "1" : "6");
        stop_relay();
        CHECK(says("the XenStore has gone"));
        CHECK(rig_ok(rig_ask("{\"command\":\"ping\"}")));
        CHECK_EQ(rig_stop_vbdd(), 0);
        take_away();
    }
}

int main(void)
{
    rig_start("[defaults]\nengine = ok\n");
    rig_stop_vbdd();
    device = rig_device(5, "xvda", "target");
    TEST("a store that comes back has vbdd end, to be started anew",
         check_comes_back);
    TEST("so it does when nothing is served", check_idle_comes_back);
    TEST("one that stays away is reported once, and guests are served on",
         check_stays_away);
    TEST("one that knows nothing of them does not cost them their disks",
         check_other_store);
    TEST("vbdd never waits for a store that has gone", check_in_flight);
    rig_end();
    return tap_done();
}
