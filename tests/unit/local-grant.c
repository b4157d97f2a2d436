/* SPDX-License-Identifier: MIT
 * Claim: the stand-in's grants are checked and held as Xen's are
 * (grant_table.h; ARCHITECTURE.md): every refusal that a back end must
 * expect comes as its own element's error, the in-use flags are there for as
 * long as anyone uses a grant, and a back end that is killed at any moment
 * leaves none behind. Mechanism: a guest and back ends in this process, and
 * back ends in children that are killed. */
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <setjmp.h>

#include "common/host/log.h"
#include "common/local/local.h"
#include "common/local/pins.h"
#include "common/local/protocol.h"
#include "tests/unit/local-server.h"

enum { DOMID = 5, PAGES = 4096, FIRST = LOCAL_GRANT_FRAMES };

static struct local_server server;
static struct local *guest, *back;
static uint8_t *memory;

static uint8_t *frame(unsigned number)
{
    return memory + (size_t)number * LOCAL_PAGE_BYTES;
}

static uint16_t flags_of(uint32_t gref)
{
    const struct grant_entry_v1 *entries = (void *)memory;

    return __atomic_load_n(&entries[gref].flags, __ATOMIC_SEQ_CST);
}

static uint16_t in_use(uint32_t gref)
{
    return flags_of(gref) & (GTF_reading | GTF_writing);
}

static uint32_t grant(unsigned number, bool read_only)
{
    int32_t gref = local_grant_access(guest, 0, number, read_only);

    REQUIRE(gref >= LOCAL_FIRST_GREF);
    return (uint32_t)gref;
}

/* The server notices the end of a process a moment after it. */
static void end_grant(uint32_t gref)
{
    int error;

    while ((error = local_grant_end(guest, gref)) == -EBUSY)
        usleep(100);
    REQUIRE(error == 0);
}

static int copy(uint32_t gref, unsigned offset, unsigned length, void *ours,
                bool to_guest)
{
    return local_grant_copy(back, DOMID, gref, (uint16_t)offset,
                            (uint16_t)length, ours, to_guest);
}

static void check_copy(void)
{
    uint32_t gref = grant(FIRST, false);
    uint8_t ours[64];

    memset(frame(FIRST), 'x', LOCAL_PAGE_BYTES);
    CHECK_EQ(copy(gref, 4094, 2, ours, false), 0);
    CHECK(ours[0] == 'x' && ours[1] == 'x');
    memset(ours, 'y', sizeof ours);
    CHECK_EQ(copy(gref, 10, 3, ours, true), 0);
    CHECK(frame(FIRST)[9] == 'x' && frame(FIRST)[10] == 'y' &&
          frame(FIRST)[12] == 'y' && frame(FIRST)[13] == 'x');
    CHECK_EQ(copy(gref, 4096, 0, ours, true), 0);
    CHECK_EQ(in_use(gref), 0);
    end_grant(gref);
}

static void check_copy_refusals(void)
{
    uint32_t gref = grant(FIRST, false), read_only = grant(FIRST, true);
    uint32_t foreign = (uint32_t)local_grant_access(guest, 3, FIRST, false);
    uint32_t beyond = grant(PAGES, false), ended = grant(FIRST, false);
    struct grant_entry_v1 *entries = (void *)memory;
    static uint8_t ours[4096];

    end_grant(ended);
    CHECK_EQ(copy(gref, 4095, 2, ours, false), -EFAULT);
    CHECK_EQ(copy(gref, 65535, 65535, ours, false), -EFAULT);
    CHECK_EQ(copy(read_only, 0, 1, ours, true), -EACCES);
    CHECK_EQ(copy(read_only, 0, 1, ours, false), 0);
    CHECK_EQ(copy(foreign, 0, 1, ours, false), -EACCES);
    CHECK_EQ(copy(beyond, 0, 1, ours, false), -EACCES);
    CHECK_EQ(copy(ended, 0, 1, ours, false), -EACCES);
    CHECK_EQ(copy(LOCAL_MAX_GRANTS, 0, 1, ours, false), -EACCES);
    CHECK_EQ(copy(UINT32_MAX, 0, 1, ours, false), -EACCES);
    CHECK_EQ(local_grant_copy(back, 99, gref, 0, 1, ours, false), -ESRCH);
    CHECK_EQ(local_grant_copy(back, 0, gref, 0, 1, ours, false), -ESRCH);
    entries[gref].flags = GTF_accept_transfer;
    CHECK_EQ(copy(gref, 0, 1, ours, false), -EACCES);
    entries[gref].flags = GTF_transitive;
    CHECK_EQ(copy(gref, 0, 1, ours, false), -EACCES);
    entries[gref].flags = GTF_permit_access;
    entries[3] = entries[gref]; /* the toolstack's */
    CHECK_EQ(copy(3, 0, 1, ours, false), -EACCES);
    entries[3].flags = 0;
    CHECK_EQ(in_use(foreign) | in_use(beyond) | in_use(ended), 0);
    end_grant(gref);
    end_grant(read_only);
    end_grant(foreign);
    end_grant(beyond);
}

static void check_map(void)
{
    uint32_t grefs[3] = { grant(FIRST + 5, false), grant(FIRST, false),
                          grant(FIRST + 2, false) };
    struct local_held held;
    uint8_t *pages;

    memset(frame(FIRST), 'a', 4096);
    memset(frame(FIRST + 2), 'b', 4096);
    memset(frame(FIRST + 5), 'c', 4096);
    CHECK_EQ(local_grant_map(back, DOMID, grefs, 3, true, (void **)&pages),
             0);
    CHECK(pages[0] == 'c' && pages[4096] == 'a' && pages[2 * 4096] == 'b');
    pages[4095] = 'z';
    CHECK_EQ(frame(FIRST + 5)[4095], 'z');
    CHECK_EQ(in_use(grefs[0]), GTF_reading | GTF_writing);
    local_get_held(back, &held);
    CHECK_EQ(held.mapped_pages, 3);
    CHECK_EQ(local_grant_unmap(back, pages, 2), -EINVAL);
    CHECK_EQ(local_grant_unmap(back, pages + 4096, 3), -EINVAL);
    CHECK_EQ(local_grant_unmap(back, pages, 3), 0);
    CHECK_EQ(local_grant_unmap(back, pages, 3), -EINVAL);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(in_use(grefs[i]), 0);
        end_grant(grefs[i]);
    }
}

static void check_map_whole_or_nothing(void)
{
    uint32_t grefs[3] = { grant(FIRST, false), grant(FIRST + 1, false),
                          grant(FIRST + 2, true) };
    struct local_held held;
    void *pages;

    CHECK_EQ(local_grant_map(back, DOMID, grefs, 3, true, &pages), -EACCES);
    CHECK_EQ(in_use(grefs[0]) | in_use(grefs[1]) | in_use(grefs[2]), 0);
    CHECK_EQ(local_grant_map(back, DOMID, grefs, 0, true, &pages), -EINVAL);
    CHECK_EQ(local_grant_map(back, 99, grefs, 1, true, &pages), -ESRCH);
    local_get_held(back, &held);
    CHECK_EQ(held.mapped_pages, 0);
    for (unsigned i = 0; i < 3; i++)
        end_grant(grefs[i]);
}

static sigjmp_buf fault_return;

static void on_fault(int signal)
{
    siglongjmp(fault_return, signal);
}

static void check_read_only(void)
{
    uint32_t gref = grant(FIRST, true);
    volatile uint8_t *page;
    void *pages;

    CHECK_EQ(local_grant_map(back, DOMID, &gref, 1, true, &pages), -EACCES);
    REQUIRE(local_grant_map(back, DOMID, &gref, 1, false, &pages) == 0);
    CHECK_EQ(in_use(gref), GTF_reading);
    page = pages;
    signal(SIGSEGV, on_fault);
    if (sigsetjmp(fault_return, 1) == 0) {
        *page = 1;
        CHECK(!"a read-only mapping was written to");
    } else {
        CHECK(1);
    }
    signal(SIGSEGV, SIG_DFL);
    CHECK_EQ(local_grant_unmap(back, pages, 1), 0);
    end_grant(gref);
}

static void check_busy(void)
{
    uint32_t gref = grant(FIRST, false);
    void *first, *second;
    uint8_t byte;

    strcpy((char *)frame(FIRST), "here");
    REQUIRE(local_grant_map(back, DOMID, &gref, 1, false, &first) == 0);
    REQUIRE(local_grant_map(back, DOMID, &gref, 1, false, &second) == 0);
    CHECK_EQ(local_grant_end(guest, gref), -EBUSY);
    CHECK_STR(first, "here");
    CHECK_EQ(copy(gref, 0, 1, &byte, false), 0); /* clears nothing */
    CHECK_EQ(local_grant_unmap(back, first, 1), 0);
    CHECK_EQ(local_grant_end(guest, gref), -EBUSY);
    CHECK_STR(second, "here");
    CHECK_EQ(local_grant_unmap(back, second, 1), 0);
    CHECK_EQ(local_grant_end(guest, gref), 0);
    CHECK_EQ(flags_of(gref), 0);
    CHECK_EQ(local_grant_end(guest, gref), -EINVAL);
    CHECK_EQ(local_grant_end(guest, 3), -EINVAL);
    CHECK_EQ(local_grant_end(guest, LOCAL_MAX_GRANTS), -EINVAL);
}

/* A guest that tears its own entry down harms only itself. */
static void check_revoked_by_force(void)
{
    struct grant_entry_v1 *entries = (void *)memory;
    uint32_t gref = grant(FIRST, false);
    void *page, *again;

    REQUIRE(local_grant_map(back, DOMID, &gref, 1, true, &page) == 0);
    strcpy((char *)frame(FIRST), "old");
    strcpy((char *)frame(FIRST + 1), "new");
    entries[gref].frame = FIRST + 1;
    CHECK_STR(page, "old");
    entries[gref].flags = 0;
    CHECK_EQ(local_grant_map(back, DOMID, &gref, 1, true, &again), -EACCES);
    CHECK_STR(page, "old");
    CHECK_EQ(local_grant_unmap(back, page, 1), 0);
    CHECK_EQ(in_use(gref), 0);
    entries[gref].flags = GTF_permit_access;
    end_grant(gref);
}

static void check_table_full(void)
{
    static uint32_t grefs[LOCAL_MAX_GRANTS];
    unsigned nr = 0;
    int32_t gref;

    while ((gref = local_grant_access(guest, 0, FIRST, false)) >= 0)
        grefs[nr++] = (uint32_t)gref;
    CHECK_EQ(gref, -ENOSPC);
    CHECK_EQ(nr, LOCAL_MAX_GRANTS - LOCAL_FIRST_GREF);
    while (nr > 0)
        end_grant(grefs[--nr]);
}

static void check_many_maps(void)
{
    enum { NR = 1500 };
    static uint32_t grefs[NR];
    static uint8_t *pages[NR];
    struct local_held held;
    unsigned wrong = 0;

    for (unsigned i = 0; i < NR; i++) {
        grefs[i] = grant(FIRST + i, false);
        frame(FIRST + i)[7] = (uint8_t)i;
        REQUIRE(local_grant_map(back, DOMID, &grefs[i], 1, true,
                                (void **)&pages[i]) == 0);
    }
    local_get_held(back, &held);
    CHECK_EQ(held.mapped_pages, NR);
    for (unsigned i = 0; i < NR; i++)
        wrong += pages[i][7] != (uint8_t)i;
    CHECK_EQ(wrong, 0);
    for (unsigned step = 0; step < NR; step++) {
        unsigned i = step * 7 % NR;

        REQUIRE(local_grant_unmap(back, pages[i], 1) == 0);
        REQUIRE(local_grant_end(guest, grefs[i]) == 0);
    }
    local_get_held(back, &held);
    CHECK_EQ(held.mapped_pages, 0);
}

static void check_close_gives_back(void)
{
    uint32_t gref = grant(FIRST, false);
    struct local *other;
    void *page;

    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_grant_map(other, DOMID, &gref, 1, true, &page) == 0);
    CHECK_EQ(local_grant_end(guest, gref), -EBUSY);
    local_close(other);
    CHECK_EQ(local_grant_end(guest, gref), 0);
}

/* Starts a back end in a process of its own that maps gref. */
static pid_t start_mapper(uint32_t gref)
{
    int ready[2];
    char byte;
    pid_t pid;

    REQUIRE(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        struct local *own;
        void *page;

        if (local_open(server.dir, &own) < 0 ||
            local_grant_map(own, DOMID, &gref, 1, true, &page) < 0)
            _exit(1);
        if (write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    return pid;
}

static void check_killed_mapper(void)
{
    uint32_t gref = grant(FIRST, false);
    pid_t pid = start_mapper(gref);
    void *page;

    REQUIRE(local_grant_map(back, DOMID, &gref, 1, false, &page) == 0);
    CHECK_EQ(local_grant_end(guest, gref), -EBUSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (local_domain_is_alive(back, DOMID) != 1) /* a turn of the server */
        usleep(100);
    CHECK_EQ(local_grant_end(guest, gref), -EBUSY); /* ours is still there */
    CHECK_EQ(local_grant_unmap(back, page, 1), 0);
    end_grant(gref);
    CHECK_EQ(flags_of(gref), 0);
}

/* Copies without end, with a connection of its own. */
static void copy_for_ever(uint32_t gref)
{
    struct local *own;
    static uint8_t page[4096];

    if (local_open(server.dir, &own) < 0)
        _exit(1);
    for (;;)
        if (local_grant_copy(own, DOMID, gref, 0, sizeof page, page, true) < 0)
            _exit(1);
}

static void check_killed_copier(void)
{
    unsigned rounds = (unsigned)tap_scaled(100);
    uint32_t gref;
    pid_t pid;

    srand((unsigned)tap_seed());
    for (unsigned i = 0; i < rounds; i++) {
        gref = grant(FIRST, false);
        pid = fork();
        if (pid == 0)
            copy_for_ever(gref);
        usleep(1000 + (unsigned)rand() % 2000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        end_grant(gref); /* or this test does not end */
        CHECK_EQ(flags_of(gref), 0);
    }
}

/* Maps and copies a grant that others use as well: for as long as it is ours
 * the flag must be there, whoever of the others is clearing. */
static int use_and_look(uint32_t gref, unsigned long rounds)
{
    struct local *own;
    uint8_t byte;
    void *page;

    if (local_open(server.dir, &own) < 0)
        return 1;
    for (unsigned long i = 0; i < rounds; i++) {
        if (local_grant_copy(own, DOMID, gref, 0, 1, &byte, false) < 0 ||
            local_grant_map(own, DOMID, &gref, 1, false, &page) < 0)
            return 2;
        for (unsigned look = 0; look < 20; look++)
            if (!in_use(gref))
                return 3;
        if (local_grant_unmap(own, page, 1) < 0)
            return 4;
    }
    local_close(own);
    return 0;
}

static void check_shared_use(void)
{
    uint32_t gref = grant(FIRST, true);
    unsigned long rounds = tap_scaled(100000);
    pid_t pids[3];
    int status;

    for (unsigned i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(use_and_look(gref, rounds));
    }
    for (unsigned i = 0; i < 3; i++) {
        waitpid(pids[i], &status, 0);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(in_use(gref), 0);
    CHECK_EQ(local_grant_end(guest, gref), 0);
}

static void check_many_back_ends(void)
{
    struct local *many[PINS_SLOTS + 1];
    uint32_t gref = grant(FIRST, true);
    unsigned nr = 0;
    uint8_t byte;
    int error;

    do {
        REQUIRE(local_open(server.dir, &many[nr]) == 0);
        error = local_grant_copy(many[nr++], DOMID, gref, 0, 1, &byte, false);
    } while (!error && nr <= PINS_SLOTS);
    CHECK_EQ(error, -EUSERS);
    CHECK_EQ(nr, PINS_SLOTS); /* with ours */
    while (nr > 0)
        local_close(many[--nr]);
    for (unsigned i = 0; i < 3; i++) {
        REQUIRE(local_open(server.dir, &many[0]) == 0);
        while ((error = local_grant_copy(many[0], DOMID, gref, 0, 1, &byte,
                                         false)) == -EUSERS)
            usleep(100);
        CHECK_EQ(error, 0);
        local_close(many[0]);
    }
    end_grant(gref);
}

static void check_faults(void)
{
    uint32_t gref = grant(FIRST, false);
    struct local_held held;
    uint8_t byte;
    void *page;

    local_set_fault(back, LOCAL_FAULT_COPY, 2, -EIO);
    CHECK_EQ(copy(gref, 0, 1, &byte, false), 0);
    CHECK_EQ(copy(gref, 0, 1, &byte, false), -EIO);
    CHECK_EQ(copy(gref, 0, 1, &byte, false), 0);
    local_set_fault(back, LOCAL_FAULT_MAP, 1, -ENOMEM);
    CHECK_EQ(copy(gref, 0, 1, &byte, false), 0);
    CHECK_EQ(local_grant_map(back, DOMID, &gref, 1, true, &page), -ENOMEM);
    CHECK_EQ(local_grant_map(back, DOMID, &gref, 1, true, &page), 0);
    local_set_fault(back, LOCAL_FAULT_COPY, 1, -EIO);
    local_set_fault(back, LOCAL_FAULT_COPY, 1, 0);
    CHECK_EQ(copy(gref, 0, 1, &byte, false), 0);
    CHECK_EQ(local_grant_unmap(back, page, 1), 0);
    local_get_held(back, &held);
    CHECK_EQ(held.mapped_pages, 0);
    end_grant(gref);
}

static void check_no_system_call(void)
{
    unsigned long rounds = tap_scaled(500000);
    uint32_t gref = grant(FIRST, false);
    struct local_held before, after;
    static uint8_t page[4096];
    uint64_t start_us;
    int errors = 0;

    CHECK_EQ(copy(gref, 0, sizeof page, page, true), 0);
    local_get_held(back, &before);
    start_us = host_now_us();
    for (unsigned long i = 0; i < rounds; i++)
        errors += copy(gref, 0, sizeof page, page, i & 1) != 0;
    NOTE("%.0f ns for each grant copy of 4096 bytes",
         (double)(host_now_us() - start_us) * 1000 / (double)rounds);
    local_get_held(back, &after);
    CHECK_EQ(errors, 0);
    CHECK_EQ(after.system_calls, before.system_calls);
    end_grant(gref);
}

int main(void)
{
    REQUIRE(local_server_start(&server) == 0);
    REQUIRE(local_open(server.dir, &guest) == 0);
    REQUIRE(local_domain_create(guest, DOMID, PAGES) == 0);
    REQUIRE(local_open(server.dir, &back) == 0);
    memory = local_domain_memory(guest);
    TEST("a copy moves exactly its bytes, both ways", check_copy);
    TEST("each bad copy is refused with its own error", check_copy_refusals);
    TEST("pages mapped together lie one after the other", check_map);
    TEST("a map with one bad grant maps nothing", check_map_whole_or_nothing);
    TEST("a read-only grant cannot be written through", check_read_only);
    TEST("a grant in use cannot be ended, and what is mapped stays valid",
         check_busy);
    TEST("a guest that rewrites an entry in use does not move the mapping",
         check_revoked_by_force);
    TEST("a full grant table says so", check_table_full);
    TEST("1500 mappings are held and given back in any order",
         check_many_maps);
    TEST("closing a connection gives back what it mapped",
         check_close_gives_back);
    TEST("a killed back end's mapping is released, its neighbour's is not",
         check_killed_mapper);
    TEST("a back end killed in the middle of a copy leaves no flag",
         check_killed_copier);
    TEST("the last user clears the flags and nobody earlier",
         check_shared_use);
    TEST("63 back ends may use one domain, and places come free again",
         check_many_back_ends);
    TEST("a fault comes at the operation it was asked for", check_faults);
    TEST("a copy makes no system call", check_no_system_call);
    local_close(back);
    local_close(guest);
    REQUIRE(local_server_stop(&server) == 0);
    return tap_done();
}
