/* SPDX-License-Identifier: MIT
 * Claim: the port to the local stand-in does what port.h promises of memory,
 * grants, events and the store, and the core over it connects to a back end in
 * another process, moves data and leaves nothing behind. Mechanism: a real
 * vbdd-local in a folder of its own; a second connection, as domain 0, looks
 * at the port from the other side; frontend-serve is the back end. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xenstore.h>

#include "common/local/local.h"
#include "frontend/port-local/port-local.h"
#include "frontend/vbdfront.h"
#include "tests/unit/tap.h"

enum { DOMID = 5, PAGES = 256, SECOND = 1000000, LONG = 30 * SECOND };

static char folder[] = "/tmp/vbdfront-test-XXXXXX";
static pid_t hypervisor;
static struct local *domain0;
static struct port_local *port;
static const struct vbdfront_port *table;
static void *context;

/* --- the world ---------------------------------------------------------- */

static const char *program(const char *name)
{
    static char path[512];
    const char *top = getenv("top_builddir");

    snprintf(path, sizeof path, "%s/%s", top ? top : ".", name);
    return path;
}

static void start_hypervisor(void)
{
    REQUIRE(mkdtemp(folder) != NULL);
    hypervisor = fork();
    REQUIRE(hypervisor >= 0);
    if (hypervisor == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        REQUIRE(freopen("/dev/null", "w", stdout) != NULL);
        execl(program("vbdd-local"), "vbdd-local", folder, (char *)NULL);
        _exit(99);
    }
    for (unsigned i = 0; local_open(folder, &domain0) != 0; i++) {
        REQUIRE(i < 1000 && waitpid(hypervisor, NULL, WNOHANG) == 0);
        usleep(10000);
    }
}

static void stop_hypervisor(void)
{
    char command[128];

    local_close(domain0);
    kill(hypervisor, SIGTERM);
    waitpid(hypervisor, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}

static void open_port(void)
{
    REQUIRE(port_local_open(folder, DOMID, PAGES, &port) == 0);
    table = port_local_table(port);
    context = table->context;
}

static uint64_t store_number(const char *path)
{
    char value[32] = "";

    table->store_read(context, path, value, sizeof value);
    return strtoull(value, NULL, 10);
}

/* --- memory ------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t nr)
{
    while (nr > 0 && bytes[nr - 1] == 0)
        nr--;
    return nr == 0;
}

static void check_memory(void)
{
    uint8_t *all, *one, *two;

    open_port();
    all = table->page_alloc(context, PAGES - LOCAL_GRANT_FRAMES);
    CHECK(all != NULL); /* everything but the grant table... */
    CHECK_EQ((uintptr_t)all % LOCAL_PAGE_BYTES, 0);
    CHECK(table->page_alloc(context, 1) == NULL);
    memset(all, 0xff, (PAGES - LOCAL_GRANT_FRAMES) * LOCAL_PAGE_BYTES);
    CHECK_EQ(table->grant_access(context, 0, all, false), 8); /* ...lives */
    CHECK_EQ(table->grant_end(context, 8), 0);
    table->page_free(context, all, PAGES - LOCAL_GRANT_FRAMES);

    one = table->page_alloc(context, 1);
    two = table->page_alloc(context, 100);
    CHECK(one == all && two == all + LOCAL_PAGE_BYTES);
    CHECK(is_zero(two, 100 * LOCAL_PAGE_BYTES)); /* XSA-403 */
    table->page_free(context, one, 1);
    CHECK(table->page_alloc(context, 2) == two + 100 * LOCAL_PAGE_BYTES);
    CHECK(table->page_alloc(context, 1) == one); /* the hole is found */
    CHECK(table->page_alloc(context, 0x10000) == NULL);
    port_local_close(port);
}

/* --- grants ------------------------------------------------------------- */

static void check_grants(void)
{
    uint8_t *page, ours[16] = "from domain 0", back[16];
    uint32_t gref;
    void *mapped;

    open_port();
    page = table->page_alloc(context, 2);
    gref = (uint32_t)table->grant_access(context, 0, page + LOCAL_PAGE_BYTES,
                                         false);
    CHECK_EQ(local_grant_copy(domain0, DOMID, gref, 100, 16, ours, true), 0);
    CHECK(memcmp(page + LOCAL_PAGE_BYTES + 100, ours, 16) == 0);
    CHECK_EQ(local_grant_map(domain0, DOMID, &gref, 1, true, &mapped), 0);
    CHECK_EQ(table->grant_end(context, gref), -EBUSY);
    CHECK_EQ(local_grant_unmap(domain0, mapped, 1), 0);
    CHECK_EQ(table->grant_end(context, gref), 0);
    CHECK_EQ(local_grant_copy(domain0, DOMID, gref, 0, 16, back, false),
             -EACCES);

    gref = (uint32_t)table->grant_access(context, 0, page, true);
    CHECK_EQ(local_grant_copy(domain0, DOMID, gref, 0, 16, back, false), 0);
    CHECK_EQ(local_grant_copy(domain0, DOMID, gref, 0, 16, ours, true),
             -EACCES);
    CHECK_EQ(table->grant_end(context, gref), 0);
    port_local_close(port);
}

static void check_grant_exhaustion(void)
{
    unsigned nr = 0;
    int32_t gref;
    void *page;

    open_port();
    page = table->page_alloc(context, 1);
    while ((gref = table->grant_access(context, 0, page, true)) >= 0)
        nr++;
    CHECK_EQ(gref, -ENOSPC);
    CHECK_EQ(nr, LOCAL_MAX_GRANTS - 8);
    CHECK_EQ(table->grant_end(context, 1000), 0);
    CHECK_EQ(table->grant_access(context, 0, page, true), 1000);
    port_local_close(port);
}

/* --- events ------------------------------------------------------------- */

static void check_events(void)
{
    int32_t ours;
    int theirs;
    uint32_t fired[4];
    uint64_t start_us;

    open_port();
    table->wait(context, 0);
    ours = table->event_alloc(context, 0);
    CHECK(ours >= 0);
    theirs = local_event_bind(domain0, DOMID, (uint32_t)ours);
    CHECK(theirs >= 0);
    while (local_event_take(domain0, fired, 4) > 0)
        ;
    table->event_notify(context, (uint32_t)ours);
    CHECK_EQ(local_event_take(domain0, fired, 4), 1);
    CHECK_EQ(fired[0], theirs);

    local_event_notify(domain0, (uint32_t)theirs);
    table->wait(context, 3600ull * SECOND); /* ends, or the test hangs */
    start_us = table->now_us(context);
    table->wait(context, 20000); /* it was acknowledged: nothing fires */
    CHECK(table->now_us(context) - start_us >= 20000);
    table->event_close(context, (uint32_t)ours);
    local_event_close(domain0, (uint32_t)theirs);
    port_local_close(port);
}

/* --- the store ---------------------------------------------------------- */

/* As libxl does: the one folder that a guest may write. */
static void make_data_folder(void)
{
    struct xs_permissions right = { .id = DOMID, .perms = XS_PERM_NONE };
    struct xs_handle *store;
    char path[128];

    local_store_path(folder, 0, path, sizeof path);
    setenv("XENSTORED_PATH", path, 1);
    store = xs_open(0);
    REQUIRE(store != NULL);
    CHECK(xs_mkdir(store, XBT_NULL, "/local/domain/5/data"));
    CHECK(xs_set_permissions(store, XBT_NULL, "/local/domain/5/data", &right,
                             1));
    xs_close(store);
}

static void wait_for_store_events(uint64_t wanted)
{
    uint64_t start_us = table->now_us(context);

    while (table->store_events(context) < wanted &&
           table->now_us(context) - start_us < LONG)
        table->wait(context, LONG);
    CHECK_EQ(table->store_events(context), wanted);
}

static void check_store(void)
{
    char value[8];

    open_port();
    make_data_folder();
    port_local_close(port);
    setenv("XENSTORED_PATH", "/nowhere", 1);
    open_port();
    CHECK_STR(getenv("XENSTORED_PATH"), "/nowhere");
    unsetenv("XENSTORED_PATH");
    CHECK_EQ(table->store_read(context, "data/a", value, 8), -ENOENT);
    CHECK_EQ(table->store_write(context, "data/a", "1234567"), 0);
    CHECK_EQ(table->store_read(context, "data/a", value, 8), 7);
    CHECK_STR(value, "1234567");
    CHECK_EQ(table->store_read(context, "/local/domain/5/data/a", value, 8),
             7);
    CHECK_EQ(table->store_write(context, "data/a", "12345678"), 0);
    CHECK_EQ(table->store_read(context, "data/a", value, 8), -E2BIG);
    CHECK_EQ(table->store_write(context, "data/a", ""), 0);
    CHECK_EQ(table->store_read(context, "data/a", value, 8), 0);
    CHECK_EQ(table->store_write(context, "/local/domain/0/a", "1"), -EACCES);

    CHECK_EQ(table->store_watch(context, "data"), 0);
    wait_for_store_events(1); /* a new watch fires once */
    CHECK_EQ(table->store_write(context, "data/b", "x"), 0);
    wait_for_store_events(2);
    CHECK_EQ(table->store_unwatch(context, "data"), 0);
    CHECK_EQ(table->store_unwatch(context, "data"), -ENOENT);
    port_local_close(port);
}

/* --- opening ------------------------------------------------------------ */

static void check_open(void)
{
    struct port_local *second;

    open_port();
    CHECK_EQ(local_domain_is_alive(domain0, DOMID), 1);
    CHECK_EQ(port_local_open(folder, DOMID, PAGES, &second), -EEXIST);
    CHECK_EQ(port_local_open("/nowhere", DOMID, PAGES, &second), -ENOENT);
    CHECK(unsetenv("XENSTORED_PATH") == 0);
    port_local_close(port);
    port_local_close(NULL);
    open_port(); /* the same number lives again */
    CHECK(getenv("XENSTORED_PATH") == NULL);
    port_local_close(port);
}

/* --- suspend ------------------------------------------------------------ */

static void check_restore(void)
{
    uint64_t before;
    char value[8];
    uint8_t *page;
    int32_t gref;

    open_port();
    page = table->page_alloc(context, 1);
    memset(page, 0x5a, LOCAL_PAGE_BYTES);
    gref = table->grant_access(context, 0, page, false);
    CHECK(gref >= 8 && table->event_alloc(context, 0) > 0);
    CHECK_EQ(table->store_watch(context, "data"), 0);
    wait_for_store_events(1);
    CHECK_EQ(port_local_suspend(port), 0);
    CHECK_EQ(local_domain_state(domain0, DOMID), LOCAL_DOMAIN_SUSPENDED);
    CHECK_EQ(port_local_resume(port), 0);
    CHECK_EQ(local_domain_state(domain0, DOMID), LOCAL_DOMAIN_RUNNING);
    CHECK_EQ(table->store_unwatch(context, "data"), 0);
    CHECK_EQ(table->store_watch(context, "data"), 0);
    wait_for_store_events(2);

    CHECK_EQ(port_local_suspend(port), 0);
    CHECK_EQ(port_local_restore(port, DOMID + 1), 0);
    CHECK_EQ(local_domain_state(domain0, DOMID), LOCAL_DOMAIN_GONE);
    CHECK_EQ(page[0] + page[LOCAL_PAGE_BYTES - 1], 2 * 0x5a);
    CHECK_EQ(table->store_unwatch(context, "data"), -ENOENT);
    CHECK_EQ(table->grant_end(context, (uint32_t)gref), 0);
    CHECK_EQ(table->grant_access(context, 0, page, false), gref);
    CHECK(table->event_alloc(context, 0) > 0);
    before = table->store_events(context);
    CHECK_EQ(table->store_watch(context, "data"), 0);
    wait_for_store_events(before + 1);
    /* Our own place is what we may look at. */
    CHECK_EQ(table->store_read(context, "/local/domain/6", value,
                               sizeof value), 0);
    CHECK_EQ(table->store_read(context, "/local/domain/5", value,
                               sizeof value), -EACCES);
    port_local_close(port);
}

/* --- with the core, and a back end -------------------------------------- */

static int server_input;

static pid_t start_server(void)
{
    int input[2], output[2];
    char ready[8] = "";
    pid_t pid;

    REQUIRE(pipe(input) == 0 && pipe(output) == 0);
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        close(input[1]);
        execl(program("tests/unit/frontend-serve"), "frontend-serve", folder,
              "5", "51712", "65536", (char *)NULL);
        _exit(99);
    }
    close(input[0]);
    close(output[1]);
    REQUIRE(read(output[0], ready, sizeof ready) > 0);
    close(output[0]);
    server_input = input[1];
    return pid;
}

static void check_round(struct vbdfront *front, uint8_t *data, unsigned round)
{
    enum { SECTORS = 1000 };
    uint8_t *read_back = data + 64 * LOCAL_PAGE_BYTES;

    if (!CHECK_EQ(vbdfront_connect(front, LONG), 0))
        NOTE("%s", vbdfront_reason(front));
    CHECK_EQ(vbdfront_info(front)->nr_sectors, 65536);
    for (unsigned i = 0; i < SECTORS * 512 / 2; i++)
        data[i] = (uint8_t)(i * 7 + i / 512 + round);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, VBDFRONT_FUA, round * 100,
                         SECTORS / 2, data), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, round * 100, 8, data), 0);
    memset(read_back, 0, SECTORS * 512 / 2);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, round * 100, SECTORS / 2,
                         read_back), 0);
    CHECK(memcmp(data, read_back, SECTORS * 512 / 2) == 0);
    CHECK_EQ(vbdfront_disconnect(front, LONG), 0);
}

static void check_core(void)
{
    struct vbdfront_stats stats;
    struct vbdfront *front;
    pid_t server = start_server();
    uint8_t *data;

    open_port();
    data = table->page_alloc(context, 128);
    REQUIRE(vbdfront_open(table, "device/vbd/51712", NULL, &front) == 0);
    for (unsigned round = 0; round < tap_scaled(40); round++)
        check_round(front, data, round);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(stats.pages_lost, 0);
    CHECK_EQ(store_number("device/vbd/51712/state"), 6);
    vbdfront_close(front);
    port_local_close(port);
    close(server_input);
    waitpid(server, NULL, 0);
}

int main(void)
{
    start_hypervisor();
    TEST("pages are contiguous, zeroed and not the grant table's (XSA-403)",
         check_memory);
    TEST("a grant gives the other side what it says", check_grants);
    TEST("a full grant table says so", check_grant_exhaustion);
    TEST("events go both ways and wake the wait", check_events);
    TEST("the store is the domain's own", check_store);
    TEST("a domain lives while its port is open", check_open);
    TEST("a restored domain keeps its memory and nothing else",
         check_restore);
    TEST("the core moves data to another process and reconnects",
         check_core);
    stop_hypervisor();
    return tap_done();
}
