/* SPDX-License-Identifier: MIT
 * Claim: guests that write to their nodes as fast as they can cost the
 * supervisor no memory and little log, and nobody else his connection.
 * Source: XSA-349 (a watched path updated faster than it is looked at fills
 * the back end's memory), XSA-180 (a log that a guest can fill), XSA-331.
 * Mechanism: a real vbdd, with workers that move no data; each stormy guest is
 * a process of its own, on its own domain's store connection. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/host/log.h"
#include "common/local/local.h"
#include "tests/unit/process.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { STORMY = 16, FIRST_DOMID = 20, CALM_DOMID = 60 };

/* One stormy guest. */
struct storm {
    struct rig_device device;
    struct local *domain;
    pid_t pid;
};

/* Shared with the stormy processes; atomic. */
static struct { unsigned long writes[STORMY]; bool stop; } *shared;
static struct storm storms[STORMY];

static unsigned long writes_sum(void)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < STORMY; i++)
        sum += __atomic_load_n(&shared->writes[i], __ATOMIC_RELAXED);
    return sum;
}

static bool await_writes(unsigned long more)
{
    unsigned long until = writes_sum() + more;

    for (unsigned ms = 0; ms < 60000 && writes_sum() < until; ms++)
        usleep(1000);
    return writes_sum() >= until;
}

/* --- the stormy guest ----------------------------------------------------- */

typedef void write_some(struct xs_handle *xs, const char *front, unsigned n);

static void put(struct xs_handle *xs, xs_transaction_t t, const char *front,
                const char *name, const char *value)
{
    char path[192];

    snprintf(path, sizeof path, "%s/%s", front, name);
    if (!xs_write(xs, t, path, value, (unsigned)strlen(value)))
        _exit(3);
}

/* Nothing that is a change of state. */
static void rewrite_state(struct xs_handle *xs, const char *front, unsigned n)
{
    (void)n;
    put(xs, XBT_NULL, front, "state", "4");
}

static void change_everything(struct xs_handle *xs, const char *front,
                              unsigned n)
{
    static const char *const states[] = { "1", "3", "4", "5", "6", "9", "" };
    char name[32];

    put(xs, XBT_NULL, front, "ring-ref", n % 9 ? "8" : "many");
    put(xs, XBT_NULL, front, "state", states[(n * 2654435761u >> 8) % 7]);
    snprintf(name, sizeof name, "state/%u", n % 50); /* watched as well */
    put(xs, XBT_NULL, front, name, "");
    snprintf(name, sizeof name, "mine/%u/%u", n % 7, n % 50); /* this not */
    put(xs, XBT_NULL, front, name, "none of your business");
}

/* All its events come at once. */
static void write_at_once(struct xs_handle *xs, const char *front, unsigned n)
{
    xs_transaction_t t = xs_transaction_start(xs);
    char name[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "state/%u", i);
        put(xs, t, front, name, n % 2 ? "a" : "b");
    }
    xs_transaction_end(xs, t, false);
}

static void run_storm(unsigned i, write_some *write)
{
    char path[128];
    struct xs_handle *xs;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (local_store_path(rig_dir, storms[i].device.domid, path, sizeof path))
        _exit(4);
    setenv("XENSTORED_PATH", path, 1);
    xs = xs_open(0);
    if (!xs)
        _exit(5);
    for (unsigned n = 0; !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
         n++) {
        write(xs, storms[i].device.front, n);
        __atomic_fetch_add(&shared->writes[i], 1, __ATOMIC_RELAXED);
    }
    xs_close(xs);
    _exit(0);
}

static void open_storms(void)
{
    for (unsigned i = 0; i < STORMY; i++) {
        char target[16];

        snprintf(target, sizeof target, "stormy-%u", i);
        storms[i].device = rig_device(FIRST_DOMID + i, "xvda", target);
        REQUIRE(local_open(rig_dir, &storms[i].domain) == 0);
        REQUIRE(local_domain_create(storms[i].domain, FIRST_DOMID + i, 64) ==
                0);
        REQUIRE(rig_ok(rig_attach(&storms[i].device, "w", "ok")));
        rig_publish(&storms[i].device, "1");
    }
}

static void start_storms(write_some *write)
{
    shared->stop = false;
    fflush(stdout);
    for (unsigned i = 0; i < STORMY; i++) {
        storms[i].pid = fork();
        if (storms[i].pid == 0)
            run_storm(i, write);
        REQUIRE(storms[i].pid > 0);
    }
}

static void stop_storms(void)
{
    __atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < STORMY; i++) {
        int status = -1;

        waitpid(storms[i].pid, &status, 0);
        CHECK_EQ(status, 0);
    }
}

static void close_storms(void)
{
    for (unsigned i = 0; i < STORMY; i++) {
        CHECK(rig_detach(&storms[i].device));
        local_close(storms[i].domain);
    }
}

/* --- memory --------------------------------------------------------------- */

/* KiB that vbdd has grown by while that storm made so many writes. */
static long growth_in(write_some *write, unsigned long nr)
{
    long before, after;

    start_storms(write);
    before = process_rss_kib(rig_vbdd_pid());
    CHECK(await_writes(nr));
    after = process_rss_kib(rig_vbdd_pid());
    stop_storms();
    NOTE("RSS of vbdd: %ld KiB, after %lu more writes %ld KiB", before, nr,
         after);
    return after - before;
}

/* KiB that vbdd has grown by in a round of all the storms. */
static long growth_in_round(unsigned long nr)
{
    return growth_in(rewrite_state, 4 * nr) +
           growth_in(change_everything, nr) +
           growth_in(write_at_once, nr / 20);
}

/* What a storm needs once is not growth: so many events as come while vbdd
 * waits for its turn on a busy machine. What is not bounded grows in every
 * round (6 MiB, when events were left in libxenstore's hands); the most that
 * was ever needed at once is reached in one of the first. */
static void check_memory(void)
{
    enum { ROUNDS = 5, BOUND_KIB = 512 };
    unsigned long nr = tap_scaled(20000);
    long growth;

    open_storms();
    growth_in_round(nr / 2); /* to begin with */
    growth = growth_in_round(nr);
    for (unsigned i = 1; i < ROUNDS && growth > BOUND_KIB; i++)
        growth = growth_in_round(nr);
    if (!process_is_instrumented())
        CHECK(growth <= BOUND_KIB);
    close_storms();
}

/* --- the others ----------------------------------------------------------- */

/* What the storms have made the supervisor ask of their workers. */
static unsigned long storm_steps(void)
{
    unsigned long steps = 0;

    for (unsigned i = 0; i < STORMY; i++)
        steps += rig_count_text(storms[i].device.log, "CONNECT");
    return steps;
}

/* Of vbds that have something to do those come first that have waited
 * longest, so each step of the calm one waits for one step of each storm; a
 * life is seven such steps. Three times that for what happens while this
 * test sleeps. */
static void check_others(void)
{
    struct rig_device calm = rig_device(CALM_DOMID, "xvda", "calm");
    unsigned cycles = (unsigned)tap_scaled(10);
    unsigned long before, steps;

    open_storms();
    start_storms(change_everything);
    CHECK(await_writes(1000));
    before = storm_steps();
    for (unsigned i = 0; i < cycles; i++) {
        CHECK(rig_ok(rig_attach(&calm, "w", "ok")));
        rig_publish(&calm, "3");
        CHECK(rig_back_is(&calm, "4"));
        rig_front(&calm, "6");
        CHECK(rig_back_is(&calm, "6"));
        rig_front(&calm, "1");
        CHECK(rig_back_is(&calm, "2"));
        CHECK(rig_detach(&calm));
    }
    steps = storm_steps() - before;
    NOTE("%u calm lives took as long as %lu connects and disconnects of %u "
         "storms", cycles, steps, STORMY);
    CHECK(steps <= 3 * 7 * STORMY * cycles);
    CHECK_EQ(rig_count_text(calm.log, "CONNECT domid"), cycles);
    stop_storms();
    close_storms();
}

/* --- the log -------------------------------------------------------------- */

static void check_log(void)
{
    struct rig_device device = rig_device(5, "xvda", "logged");
    const char *log = rig_path("vbdd.log");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    for (unsigned i = 0; i < 30; i++) {
        rig_publish(&device, i % 3 ? "3" : "4");
        CHECK(rig_back_is(&device, "4"));
        rig_front(&device, "6");
        CHECK(rig_back_is(&device, "6"));
        rig_front(&device, "1");
        CHECK(rig_back_is(&device, "2"));
    }
    CHECK(rig_detach(&device));
    CHECK_EQ(rig_count_text(log, "5/xvda: connected"), LOG_LIMIT_BURST);
    CHECK_EQ(rig_count_text(log, "5/xvda: 20 similar messages were not "
                                 "shown"), 1);
    CHECK_EQ(rig_count_text(log, "5/xvda: "), LOG_LIMIT_BURST + 3);
}

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    rig_log_level = "info";
    rig_start("");
    TEST("a guest that comes and goes is a few lines of log and a number",
         check_log);
    TEST("the supervisor's memory does not grow in a storm of watch events "
         "(XSA-349)", check_memory);
    TEST("a vbd comes and goes in the middle of sixteen storms",
         check_others);
    rig_end();
    return tap_done();
}
