/* SPDX-License-Identifier: MIT
 * Claim: the port to a Linux guest's user space gives any page of its own to a
 * peer for as long as it is granted and not a moment longer, keeps what is on
 * it through that, shares one reference between requests for parts of a page
 * without ever giving a right that was not asked for, says once and clearly
 * that the kernel's limit is reached, and goes on when there is room again; no
 * peer that never stops notifying keeps it busy; a device that somebody else
 * has is not taken.
 * Source: port.h; XSA-396; Linux's gntalloc.
 * Mechanism: what libxengnttab and libxenevtchn would do is done here: a share
 * is a memfd, which the peer has mapped too. The store is vbdd-local's. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "frontend/port-linux/port-linux.h"
#include "tests/unit/local-server.h"
#include "tests/unit/tap.h"

enum { PAGE = 4096, PAGES = 64, MOST_SHARES = 1024, FIRST_GREF = 8 };

static struct port_linux *port;
static const struct vbdfront_port *table;
static void *context;

/* --- the kernel's devices ------------------------------------------------- */

static struct share {
    uint8_t *peers; /* how the peer sees it */
    uint32_t domid;
    bool is_writable;
} shares[MOST_SHARES];
static uint32_t nr_shares, limit;
static bool has_no_gntalloc, moves_fail;

static xengntshr_handle *const any_shares = (void *)shares;

xengntshr_handle *xengntshr_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    errno = ENOENT;
    return has_no_gntalloc ? NULL : any_shares;
}

int xengntshr_close(xengntshr_handle *handle)
{
    (void)handle;
    return 0;
}

/* How many shares are mapped by us: the kernel ends a grant with the last
 * mapping of its page. */
static unsigned nr_mapped(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned nr = 0;

    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps))
        nr += strstr(line, "memfd:share") != NULL;
    fclose(maps);
    return nr - nr_shares; /* the peer's own */
}

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid,
                            int count, uint32_t *refs, int writable)
{
    struct share *share = &shares[nr_shares];
    void *ours;
    int fd;

    (void)handle;
    errno = ENOSPC;
    if (count != 1 || nr_mapped() >= limit || nr_shares == MOST_SHARES)
        return NULL;
    fd = memfd_create("share", 0);
    REQUIRE(fd >= 0 && ftruncate(fd, PAGE) == 0);
    ours = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    share->peers = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                        0);
    REQUIRE(ours != MAP_FAILED && share->peers != MAP_FAILED);
    close(fd);
    share->domid = domid;
    share->is_writable = writable;
    *refs = FIRST_GREF + nr_shares++;
    return ours;
}

int xengntshr_unshare(xengntshr_handle *handle, void *start, uint32_t count)
{
    (void)handle;
    return munmap(start, count * PAGE);
}

void *__real_mremap(void *old, size_t old_size, size_t new_size, int flags,
                    void *to);
void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags,
                    void *to);

/* A move that fails has taken away what was at its goal. */
void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags,
                    void *to)
{
    if (!moves_fail)
        return __real_mremap(old, old_size, new_size, flags, to);
    munmap(to, new_size);
    errno = ENOMEM;
    return MAP_FAILED;
}

static int event_fd = -1;
static unsigned nr_pending, nr_unmasked, nr_notified;
static uint32_t bound_to;

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    event_fd = eventfd(0, 0);
    return (void *)&event_fd;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
    (void)handle;
    return close(event_fd);
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
    (void)handle;
    return event_fd;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(
    xenevtchn_handle *handle, uint32_t domid)
{
    (void)handle;
    bound_to = domid;
    errno = ENOSPC;
    return domid == 9 ? -1 : 33;
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t event_port)
{
    (void)handle;
    return event_port == 33 ? 0 : -1;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t event_port)
{
    (void)handle;
    nr_notified += event_port == 33;
    return 0;
}

/* As the device does: blocks when there is nothing, unless told not to. */
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    (void)handle;
    REQUIRE(fcntl(event_fd, F_GETFL) & O_NONBLOCK);
    errno = EAGAIN;
    return nr_pending > 0 ? (nr_pending--, 33) : -1;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t event_port)
{
    (void)handle;
    nr_unmasked += event_port == 33;
    return 0;
}

static void open_port(void)
{
    limit = MOST_SHARES;
    REQUIRE(port_linux_open(PAGES, &port) == 0);
    table = port_linux_table(port);
    context = table->context;
}

static uint8_t *pages_of(unsigned nr)
{
    uint8_t *pages = table->page_alloc(context, nr);

    REQUIRE(pages != NULL);
    return pages;
}

static int32_t give(uint32_t domid, void *page, bool read_only)
{
    return table->grant_access(context, domid, page, read_only);
}

static int end(int32_t gref)
{
    return table->grant_end(context, (uint32_t)gref);
}

/* --- grants --------------------------------------------------------------- */

static void check_grant(void)
{
    uint8_t *pages, *peers;
    int32_t gref;

    open_port();
    pages = pages_of(3);
    CHECK_EQ((uintptr_t)pages % PAGE, 0);
    memset(pages, 0x11, 3 * PAGE);
    gref = give(0, pages + PAGE, false);
    CHECK(gref >= FIRST_GREF);
    peers = shares[gref - FIRST_GREF].peers;
    CHECK(shares[gref - FIRST_GREF].is_writable);
    CHECK_EQ(shares[gref - FIRST_GREF].domid, 0);
    CHECK_EQ(peers[0] + peers[PAGE - 1], 2 * 0x11); /* what was there */
    pages[PAGE + 5] = 0x22;                         /* and what comes */
    CHECK_EQ(peers[5], 0x22);
    peers[6] = 0x33;
    CHECK_EQ(pages[PAGE + 6], 0x33);
    CHECK_EQ(pages[PAGE - 1] + pages[2 * PAGE], 2 * 0x11); /* beside it */

    CHECK_EQ(end(gref), 0);
    CHECK_EQ(nr_mapped(), 0);
    CHECK_EQ(pages[PAGE] + pages[PAGE + 5] + pages[PAGE + 6],
             0x11 + 0x22 + 0x33);
    peers[7] = 0x44; /* it may hold on to it as long as it likes */
    pages[PAGE + 8] = 0x55;
    CHECK_EQ(pages[PAGE + 7], 0x11);
    CHECK_EQ(peers[8], 0x11);
    CHECK(give(0, pages + PAGE, true) != gref);
    CHECK_EQ(nr_mapped(), 1);
    port_linux_close(port);
    CHECK_EQ(nr_mapped(), 0);
}

static void check_zeroes(void)
{
    uint8_t *pages;

    open_port();
    pages = pages_of(PAGES);
    CHECK(table->page_alloc(context, 1) == NULL);
    memset(pages, 0xff, PAGES * PAGE);
    CHECK_EQ(end(give(0, pages, false)), 0);
    table->page_free(context, pages, PAGES);
    pages = pages_of(PAGES);
    for (unsigned i = 0; i < PAGES * PAGE; i++)
        if (pages[i] != 0)
            CHECK_EQ(i, -1);
    CHECK(pages[0] == 0);
    port_linux_close(port);
}

/* Parts of one page, each for a request of its own. */
static void check_parts(void)
{
    uint8_t *page;
    int32_t gref;

    open_port();
    page = pages_of(1);
    gref = give(0, page, true);
    CHECK(!shares[gref - FIRST_GREF].is_writable);
    CHECK_EQ(give(0, page, true), gref);
    CHECK_EQ(give(0, page, false), -EBUSY); /* would be written to */
    CHECK_EQ(give(1, page, true), -EBUSY);  /* by somebody else */
    CHECK_EQ(end(gref), 0);
    CHECK_EQ(nr_mapped(), 1);
    CHECK_EQ(give(0, page, false), -EBUSY);
    CHECK_EQ(end(gref), 0);
    CHECK_EQ(nr_mapped(), 0);

    gref = give(0, page, false);
    CHECK_EQ(give(0, page, true), gref);
    page[100] = 0x66;
    CHECK_EQ(end(gref), 0);
    CHECK_EQ(shares[gref - FIRST_GREF].peers[100], 0x66);
    CHECK_EQ(end(gref), 0);
    CHECK_EQ(page[100], 0x66);
    CHECK_EQ(nr_mapped(), 0);
    port_linux_close(port);
}

/* What goes to standard error while it runs. */
static unsigned count_lines(void (*run)(void), const char *word)
{
    FILE *said = tmpfile();
    int saved = dup(STDERR_FILENO);
    char line[256];
    unsigned nr = 0;

    REQUIRE(said && saved >= 0);
    dup2(fileno(said), STDERR_FILENO);
    run();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(said);
    while (fgets(line, sizeof line, said))
        nr += strstr(line, word) != NULL;
    fclose(said);
    return nr;
}

static void reach_limit(void)
{
    uint8_t *pages;
    int32_t first;

    open_port();
    limit = 2;
    pages = pages_of(4);
    first = give(0, pages, false);
    CHECK(first > 0 && give(0, pages + PAGE, false) > 0);
    pages[2 * PAGE] = 0x77;
    CHECK_EQ(give(0, pages + 2 * PAGE, false), -ENOSPC);
    CHECK_EQ(give(0, pages + 3 * PAGE, false), -ENOSPC);
    CHECK_EQ(give(0, pages, false), first); /* that one is there */
    CHECK_EQ(end(first), 0);
    CHECK_EQ(give(0, pages + 2 * PAGE, false), -ENOSPC);
    CHECK_EQ(end(first), 0);
    CHECK(give(0, pages + 2 * PAGE, false) > 0);
    CHECK_EQ(pages[2 * PAGE], 0x77);
    port_linux_close(port);
}

static void check_limit(void)
{
    CHECK_EQ(count_lines(reach_limit, "xen_gntalloc/parameters/limit"), 1);
}

static void check_failed_move(void)
{
    uint8_t *page;

    open_port();
    page = pages_of(1);
    memset(page, 0x5a, PAGE);
    moves_fail = true;
    CHECK_EQ(give(0, page, false), -ENOMEM);
    moves_fail = false;
    CHECK_EQ(nr_mapped(), 0);
    CHECK_EQ(page[0] + page[PAGE - 1], 2 * 0x5a);
    CHECK(give(0, page, false) > 0);
    port_linux_close(port);
}

/* --- events --------------------------------------------------------------- */

static void check_events(void)
{
    uint64_t one = 1;

    open_port();
    CHECK_EQ(table->event_alloc(context, 7), 33);
    CHECK_EQ(bound_to, 7);
    CHECK_EQ(table->event_alloc(context, 9), -ENOSPC);
    table->event_notify(context, 33);
    CHECK_EQ(nr_notified, 1);
    nr_unmasked = 0;
    nr_pending = 3;
    table->wait(context, 0); /* nothing is to be read */
    CHECK_EQ(nr_unmasked, 0);
    REQUIRE(write(event_fd, &one, sizeof one) == sizeof one);
    table->wait(context, 3600000000u); /* ends, or the test hangs */
    CHECK_EQ(nr_unmasked, 3);
    nr_pending = 1000000000; /* a peer that does nothing else */
    table->wait(context, 3600000000u);
    CHECK(nr_unmasked > 3 && nr_unmasked < 1000);
    nr_pending = 0;
    table->event_close(context, 33);
    port_linux_close(port);
}

/* --- who else has it ------------------------------------------------------ */

static char bus[] = "/tmp/vbdfront-bus-XXXXXX";

static void make_bus(void)
{
    char path[256];

    REQUIRE(mkdtemp(bus) != NULL);
    snprintf(path, sizeof path, "%s/devices", bus);
    REQUIRE(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/devices/vbd-51712", bus);
    REQUIRE(mkdir(path, 0700) == 0);
}

static void claim_from_kernel(void)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/devices/vbd-51712/driver", bus);
    REQUIRE(symlink("../../drivers/vbd", path) == 0);
    CHECK_EQ(port_linux_claim(bus, 51712), -EBUSY);
    REQUIRE(unlink(path) == 0);
    fd = port_linux_claim(bus, 51712);
    CHECK(fd >= 0);
    close(fd);
}

static void claim_twice(void)
{
    int first = port_linux_claim(bus, 51712), second;

    CHECK(first >= 0);
    CHECK_EQ(port_linux_claim(bus, 51712), -EBUSY);
    close(first);
    second = port_linux_claim(bus, 51712);
    CHECK(second >= 0);
    close(second);
    CHECK_EQ(port_linux_claim(bus, 51728), -ENOENT);
}

/* The kernel sees a device a moment after it has been attached. */
static void claim_early(void)
{
    pid_t kernel = fork();
    char path[256];
    int fd;

    REQUIRE(kernel >= 0);
    snprintf(path, sizeof path, "%s/devices/vbd-51744", bus);
    if (kernel == 0) {
        usleep(300000);
        _exit(mkdir(path, 0700) != 0);
    }
    fd = port_linux_claim(bus, 51744);
    CHECK(fd >= 0);
    close(fd);
    waitpid(kernel, NULL, 0);
}

static void check_claims(void)
{
    char command[128];

    make_bus();
    CHECK_EQ(count_lines(claim_from_kernel, "/drivers/vbd/unbind"), 1);
    CHECK_EQ(count_lines(claim_twice, "another process"), 1);
    claim_early();
    snprintf(command, sizeof command, "rm -r %s", bus);
    CHECK_EQ(system(command), 0);
}

static void open_without(void)
{
    struct port_linux *none;

    has_no_gntalloc = true;
    CHECK_EQ(port_linux_open(PAGES, &none), -ENOENT);
    has_no_gntalloc = false;
    setenv("XENSTORED_PATH", "/nowhere", 1);
    if (!port_linux_is_here())
        CHECK_EQ(port_linux_open(PAGES, &none), -ENOENT);
}

static void check_missing(void)
{
    char *saved = strdup(getenv("XENSTORED_PATH"));

    CHECK_EQ(count_lines(open_without, "xen-gntalloc"), 1);
    if (!port_linux_is_here())
        CHECK_EQ(count_lines(open_without, "/dev/xen/xenbus"), 1);
    setenv("XENSTORED_PATH", saved, 1);
    free(saved);
    port_linux_close(NULL);
}

int main(void)
{
    struct local_server server;
    char path[96];

    REQUIRE(local_server_start(&server) == 0);
    snprintf(path, sizeof path, "%s/xenstored", server.dir);
    setenv("XENSTORED_PATH", path, 1);
    TEST("a page is the peer's too for as long as it is granted, and not "
         "longer (XSA-396)", check_grant);
    TEST("pages are zeroed, whatever was on them (XSA-403)", check_zeroes);
    TEST("parts of a page share its grant, and no right is given that was "
         "not asked for", check_parts);
    TEST("the kernel's limit is said once, and there is room again",
         check_limit);
    TEST("a page that cannot be shared keeps what is on it",
         check_failed_move);
    TEST("events are taken, and do not keep anybody busy", check_events);
    TEST("a device that the kernel or a process has is not taken",
         check_claims);
    TEST("what is missing of Xen is named", check_missing);
    CHECK_EQ(local_server_stop(&server), 0);
    return tap_done();
}
