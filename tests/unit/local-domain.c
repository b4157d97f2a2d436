/* SPDX-License-Identifier: MIT
 * Claim: a domain of the stand-in lives exactly as long as its connection,
 * its number may be used again, it is suspended, resumed and restored as on
 * Xen, and nothing that a client sends to the hypervisor socket ends the
 * server (ARCHITECTURE.md, docs/PROTOCOL.md). Mechanism: the client library
 * and raw messages against a vbdd-local of our own. */
#include "tests/unit/tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/host/packet.h"
#include "common/host/socket.h"
#include "common/local/local.h"
#include "common/local/protocol.h"
#include "tests/unit/local-server.h"

static struct local_server server;

static struct local *open_guest(uint32_t domid)
{
    struct local *guest;

    REQUIRE(local_open(server.dir, &guest) == 0);
    REQUIRE(local_domain_create(guest, domid, 32) == 0);
    return guest;
}

/* The death of a connection reaches the server a moment later. */
static void wait_for_death(struct local *local, uint32_t domid)
{
    while (local_domain_is_alive(local, domid) == 1)
        usleep(100);
}

static void check_life(void)
{
    struct local *tool, *guest;

    REQUIRE(local_open(server.dir, &tool) == 0);
    CHECK_EQ(local_domain_is_alive(tool, 0), 1);
    CHECK_EQ(local_domain_is_alive(tool, 7), 0);
    guest = open_guest(7);
    CHECK_EQ(local_domain_is_alive(tool, 7), 1);
    CHECK_EQ(local_domain_is_alive(guest, 7), 1);
    local_close(guest);
    wait_for_death(tool, 7);
    CHECK_EQ(local_domain_is_alive(tool, 7), 0);
    local_close(tool);
}

static void check_refusals(void)
{
    struct local *guest = open_guest(7), *other;

    REQUIRE(local_open(server.dir, &other) == 0);
    CHECK_EQ(local_domain_create(other, 7, 32), -EEXIST);
    local_close(other);
    REQUIRE(local_open(server.dir, &other) == 0);
    CHECK_EQ(local_domain_create(other, 0, 32), -EINVAL);
    local_close(other);
    REQUIRE(local_open(server.dir, &other) == 0);
    CHECK_EQ(local_domain_create(other, 0x7ff0, 32), -EINVAL);
    local_close(other);
    REQUIRE(local_open(server.dir, &other) == 0);
    CHECK_EQ(local_domain_create(other, 8, LOCAL_GRANT_FRAMES), -EINVAL);
    local_close(other);
    REQUIRE(local_open(server.dir, &other) == 0);
    CHECK_EQ(local_domain_create(other, 8, LOCAL_MAX_PAGES + 1), -EINVAL);
    CHECK_EQ(local_domain_is_alive(other, 8), 0);
    local_close(other);
    CHECK_EQ(local_domain_create(guest, 9, 32), -EBUSY);
    local_close(guest);
    REQUIRE(local_open(server.dir, &other) == 0);
    wait_for_death(other, 7);
    local_close(other);
}

static void check_back_end_stays(void)
{
    struct local *back;

    REQUIRE(local_open(server.dir, &back) == 0);
    CHECK(local_event_alloc_unbound(back, 7) > 0);
    CHECK_EQ(local_domain_create(back, 7, 32), -EBUSY);
    CHECK(local_domain_memory(back) == NULL);
    CHECK_EQ(local_domain_is_alive(back, 7), 0);
    local_close(back);
}

static void check_new_life(void)
{
    struct local *back, *guest = open_guest(7);
    char byte = 0;
    int32_t gref;

    REQUIRE(local_open(server.dir, &back) == 0);
    memset((char *)local_domain_memory(guest) + 20 * 4096, 'a', 4096);
    gref = local_grant_access(guest, 0, 20, false);
    CHECK_EQ(local_grant_copy(back, 7, gref, 0, 1, &byte, false), 0);
    CHECK_EQ(byte, 'a');
    local_close(guest);
    wait_for_death(back, 7);
    CHECK_EQ(local_grant_copy(back, 7, gref, 0, 1, &byte, false), -ESRCH);
    guest = open_guest(7);
    CHECK_EQ(*((char *)local_domain_memory(guest) + 20 * 4096), 0);
    CHECK_EQ(local_grant_copy(back, 7, gref, 0, 1, &byte, false), -EACCES);
    memset((char *)local_domain_memory(guest) + 21 * 4096, 'b', 4096);
    gref = local_grant_access(guest, 0, 21, false);
    CHECK_EQ(local_grant_copy(back, 7, gref, 0, 1, &byte, false), 0);
    CHECK_EQ(byte, 'b');
    local_close(guest);
    wait_for_death(back, 7);
    local_close(back);
}

static void check_mapping_outlives(void)
{
    struct local *back, *guest = open_guest(7);
    struct local_held held;
    uint32_t gref;
    void *page, *other;

    REQUIRE(local_open(server.dir, &back) == 0);
    strcpy((char *)local_domain_memory(guest) + 20 * 4096, "last words");
    gref = local_grant_access(guest, 0, 20, false);
    CHECK_EQ(local_grant_map(back, 7, &gref, 1, true, &page), 0);
    local_close(guest);
    wait_for_death(back, 7);
    CHECK_STR(page, "last words");
    CHECK_EQ(local_grant_map(back, 7, &gref, 1, true, &other), -ESRCH);
    guest = open_guest(7);
    CHECK_EQ(local_grant_map(back, 7, &gref, 1, true, &other), -EACCES);
    CHECK_STR(page, "last words");
    CHECK_EQ(local_grant_unmap(back, page, 1), 0);
    local_get_held(back, &held);
    CHECK_EQ(held.mapped_pages, 0);
    local_close(guest);
    wait_for_death(back, 7);
    local_close(back);
}

static void check_no_peeping(void)
{
    struct local *guest = open_guest(7), *other = open_guest(8);
    uint32_t gref = local_grant_access(guest, 8, 20, false);
    char byte;
    void *page;

    CHECK_EQ(local_grant_map(other, 7, &gref, 1, false, &page), -EPERM);
    CHECK_EQ(local_grant_copy(other, 7, gref, 0, 1, &byte, false), -EPERM);
    local_close(other);
    local_close(guest);
    REQUIRE(local_open(server.dir, &other) == 0);
    wait_for_death(other, 7);
    wait_for_death(other, 8);
    local_close(other);
}

static void check_sealed(void)
{
    const struct local_request request = { LOCAL_OP_CREATE, 9, 32 };
    struct local_reply reply;
    struct local *tool;
    char path[128];
    unsigned nr;
    int fd, memory;

    snprintf(path, sizeof path, "%s/hypervisor", server.dir);
    fd = socket_connect(path, SOCK_SEQPACKET);
    REQUIRE(fd >= 0);
    CHECK_EQ(packet_send(fd, &request, sizeof request, NULL, 0), 0);
    REQUIRE(packet_receive(fd, &reply, sizeof reply, &memory, 1, &nr) == 0);
    REQUIRE(reply.result == 0 && nr == 1);
    CHECK_EQ(ftruncate(memory, 4096), -1);
    CHECK_EQ(errno, EPERM);
    close(memory);
    close(fd);
    REQUIRE(local_open(server.dir, &tool) == 0);
    wait_for_death(tool, 9);
    local_close(tool);
}

static void check_hostile_messages(void)
{
    const struct local_request unknown = { 99, 1, 1 };
    const struct local_request far = { LOCAL_OP_BIND, 0, UINT32_MAX };
    struct local_reply reply;
    struct local *tool;
    char path[128], byte = 1;
    int fd;

    snprintf(path, sizeof path, "%s/hypervisor", server.dir);
    fd = socket_connect(path, SOCK_SEQPACKET);
    REQUIRE(fd >= 0);
    CHECK_EQ(packet_send(fd, &unknown, sizeof unknown, NULL, 0), 0);
    CHECK_EQ(packet_receive(fd, &reply, sizeof reply, NULL, 0, NULL), 0);
    CHECK_EQ(reply.result, -ENOSYS);
    CHECK_EQ(packet_send(fd, &far, sizeof far, NULL, 0), 0);
    CHECK_EQ(packet_receive(fd, &reply, sizeof reply, NULL, 0, NULL), 0);
    CHECK_EQ(reply.result, -EINVAL);
    CHECK_EQ(packet_send(fd, &byte, 1, NULL, 0), 0);
    CHECK(packet_receive(fd, &reply, sizeof reply, NULL, 0, NULL) < 0);
    close(fd);
    REQUIRE(local_open(server.dir, &tool) == 0);
    CHECK_EQ(local_domain_is_alive(tool, 0), 1);
    local_close(tool);
}

static void check_store_socket(void)
{
    struct local *tool, *guest = open_guest(7);
    char path[128], tiny[4];
    struct stat status;

    CHECK_EQ(local_store_path(server.dir, 7, tiny, sizeof tiny),
             -ENAMETOOLONG);
    REQUIRE(local_store_path(server.dir, 7, path, sizeof path) == 0);
    CHECK_EQ(stat(path, &status), 0);
    CHECK(S_ISSOCK(status.st_mode));
    local_close(guest);
    REQUIRE(local_open(server.dir, &tool) == 0);
    wait_for_death(tool, 7);
    CHECK_EQ(stat(path, &status), -1);
    local_close(tool);
}

static void check_one_server(void)
{
    struct local_server second;
    struct local *tool;

    strcpy(second.dir, server.dir);
    NOTE("the next line of standard error is as it should be");
    CHECK_EQ(local_server_start_in(&second), -1);
    CHECK_EQ(local_open(server.dir, &tool), 0);
    local_close(tool);
}

/* --- suspend -------------------------------------------------------------- */

static void check_suspend(void)
{
    struct local *tool, *guest = open_guest(7), *other = open_guest(8);
    uint32_t gref = (uint32_t)local_grant_access(guest, 0, 20, false);
    int port = local_event_alloc_unbound(guest, 0), bound;
    uint32_t fired;
    char byte = 0;

    REQUIRE(local_open(server.dir, &tool) == 0);
    CHECK_EQ(local_domain_state(tool, 7), LOCAL_DOMAIN_RUNNING);
    CHECK_EQ(local_domain_suspend(other, 7), -EPERM);
    CHECK_EQ(local_domain_suspend(tool, 0), -ESRCH);
    CHECK_EQ(local_domain_suspend(tool, 9), -ESRCH);
    CHECK_EQ(local_domain_resume(tool, 7), -EINVAL);
    CHECK_EQ(local_domain_state(tool, 9), LOCAL_DOMAIN_GONE);
    bound = local_event_bind(tool, 7, (uint32_t)port);
    CHECK(bound > 0);
    CHECK_EQ(local_domain_suspend(guest, 7), 0);
    CHECK_EQ(local_domain_suspend(tool, 7), -EINVAL);
    CHECK_EQ(local_domain_state(tool, 7), LOCAL_DOMAIN_SUSPENDED);
    CHECK_EQ(local_domain_is_alive(tool, 7), 1);
    CHECK_EQ(local_domain_state(tool, 8), LOCAL_DOMAIN_RUNNING);
    CHECK_EQ(local_domain_resume(other, 7), -EPERM);
    CHECK_EQ(local_domain_resume(tool, 7), 0);
    CHECK_EQ(local_domain_state(tool, 7), LOCAL_DOMAIN_RUNNING);
    /* Everything is as it was. */
    CHECK_EQ(local_grant_copy(tool, 7, gref, 0, 1, &byte, false), 0);
    CHECK_EQ(local_event_notify(tool, (uint32_t)bound), 0);
    CHECK_EQ(local_event_take(guest, &fired, 1), 1);
    CHECK_EQ(fired, port);
    CHECK_EQ(local_domain_suspend(tool, 7), 0); /* from outside, as well */
    local_close(guest);
    local_close(other);
    wait_for_death(tool, 7);
    wait_for_death(tool, 8);
    local_close(tool);
}

static void check_restore_refusals(void)
{
    struct local *tool, *guest = open_guest(7), *other = open_guest(8);

    REQUIRE(local_open(server.dir, &tool) == 0);
    CHECK_EQ(local_domain_restore(guest, 9), -EINVAL); /* it runs */
    CHECK_EQ(local_domain_suspend(guest, 7), 0);
    CHECK_EQ(local_domain_restore(guest, 8), -EEXIST);
    CHECK_EQ(local_domain_restore(guest, 7), -EEXIST);
    CHECK_EQ(local_domain_restore(guest, 0), -EINVAL);
    CHECK_EQ(local_domain_restore(guest, 0x7ff0), -EINVAL);
    CHECK_EQ(local_domain_restore(tool, 9), -EINVAL);
    CHECK_EQ(local_domain_state(tool, 7), LOCAL_DOMAIN_SUSPENDED);
    CHECK_EQ(local_domain_resume(guest, 7), 0);
    local_close(guest);
    local_close(other);
    wait_for_death(tool, 7);
    wait_for_death(tool, 8);
    local_close(tool);
}

static void check_restored_grants(void)
{
    struct local *back, *guest = open_guest(7);
    char *page20 = (char *)local_domain_memory(guest) + 20 * 4096, *page;
    uint32_t mapped, copied, fresh;
    char byte;
    void *pages, *other;

    REQUIRE(local_open(server.dir, &back) == 0);
    strcpy(page20, "as it was");
    mapped = (uint32_t)local_grant_access(guest, 0, 20, false);
    copied = (uint32_t)local_grant_access(guest, 0, 21, false);
    CHECK_EQ(local_grant_map(back, 7, &mapped, 1, true, &pages), 0);
    CHECK_EQ(local_domain_suspend(guest, 7), 0);
    CHECK_EQ(local_domain_restore(guest, 9), 0);
    CHECK_EQ(local_domain_state(back, 7), LOCAL_DOMAIN_GONE);
    CHECK_EQ(local_domain_state(back, 9), LOCAL_DOMAIN_RUNNING);
    CHECK((char *)local_domain_memory(guest) + 20 * 4096 == page20);
    CHECK_STR(page20, "as it was");

    /* The table is empty, and what was granted is the guest's to take back,
     * also what is still mapped: that is the dead domain's. */
    CHECK_EQ(local_grant_copy(back, 9, copied, 0, 1, &byte, false), -EACCES);
    CHECK_EQ(local_grant_map(back, 9, &mapped, 1, true, &other), -EACCES);
    CHECK_EQ(local_grant_map(back, 7, &mapped, 1, true, &other), -ESRCH);
    page = pages;
    CHECK_STR(page, "as it was");
    strcpy(page, "too late");
    CHECK_STR(page20, "as it was");
    fresh = (uint32_t)local_grant_access(guest, 0, 22, false);
    CHECK(fresh != mapped && fresh != copied);
    CHECK_EQ(local_grant_end(guest, mapped), 0);
    CHECK_EQ(local_grant_end(guest, copied), 0);
    CHECK_EQ(local_grant_end(guest, copied), -EINVAL);

    /* A reference used again is in use for as long as its new user says. */
    mapped = (uint32_t)local_grant_access(guest, 0, 20, false);
    CHECK_EQ(mapped, copied); /* the last one given back */
    mapped = (uint32_t)local_grant_access(guest, 0, 20, false);
    CHECK_EQ(local_grant_map(back, 9, &mapped, 1, true, &other), 0);
    CHECK_EQ(local_grant_unmap(back, pages, 1), 0);
    CHECK_EQ(local_grant_end(guest, mapped), -EBUSY);
    strcpy(other, "in time");
    CHECK_STR(page20, "in time");
    CHECK_EQ(local_grant_unmap(back, other, 1), 0);
    CHECK_EQ(local_grant_end(guest, mapped), 0);
    local_close(guest);
    wait_for_death(back, 9);
    local_close(back);
}

static unsigned count_server_fds(void)
{
    char path[64];
    unsigned count = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)server.pid);
    dir = opendir(path);
    REQUIRE(dir != NULL);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void check_restored_ports(void)
{
    struct local *back, *guest;
    struct local_held held;
    int port, bound, again;
    uint32_t fired[4];
    unsigned fds;

    REQUIRE(local_open(server.dir, &back) == 0);
    CHECK_EQ(local_domain_is_alive(back, 7), 0); /* a turn of the server */
    fds = count_server_fds();
    guest = open_guest(7);
    port = local_event_alloc_unbound(guest, 0);
    bound = local_event_bind(back, 7, (uint32_t)port);
    CHECK(bound > 0);
    CHECK_EQ(local_event_take(back, fired, 4), 1); /* its own: a new port */
    CHECK_EQ(local_domain_suspend(guest, 7), 0);
    CHECK_EQ(local_domain_restore(guest, 9), 0);
    local_get_held(guest, &held);
    CHECK_EQ(held.ports, 0);
    CHECK_EQ(local_event_notify(guest, (uint32_t)port), -EINVAL);
    CHECK_EQ(local_event_close(guest, (uint32_t)port), -EINVAL);
    CHECK_EQ(local_event_bind(back, 9, (uint32_t)port), -EINVAL);
    /* The peer's end is unbound: what it says is dropped. */
    CHECK_EQ(local_event_notify(back, (uint32_t)bound), 0);
    again = local_event_alloc_unbound(guest, 0);
    CHECK_EQ(local_event_take(guest, fired, 4), 0);
    CHECK_EQ(local_event_close(back, (uint32_t)bound), 0);
    bound = local_event_bind(back, 9, (uint32_t)again);
    CHECK(bound > 0);
    CHECK_EQ(local_event_take(back, fired, 4), 1);
    CHECK_EQ(local_event_notify(guest, (uint32_t)again), 0);
    CHECK_EQ(local_event_take(back, fired, 4), 1);
    CHECK_EQ(local_event_close(back, (uint32_t)bound), 0);
    local_close(guest);
    wait_for_death(back, 9);
    CHECK_EQ(count_server_fds(), fds);
    local_close(back);
}

static void check_end(void)
{
    struct local *guest = open_guest(7);
    struct local *late;

    CHECK_EQ(local_server_stop(&server), 0);
    CHECK_EQ(local_domain_is_alive(guest, 7) < 0, 1);
    local_close(guest);
    CHECK_EQ(local_open(server.dir, &late), -ENOENT);
}

int main(void)
{
    REQUIRE(local_server_start(&server) == 0);
    TEST("a domain is alive for as long as its connection", check_life);
    TEST("a taken number, a wrong number and a wrong size are refused",
         check_refusals);
    TEST("a connection that has served as domain 0 cannot become a guest",
         check_back_end_stays);
    TEST("a number used again is another domain with memory of its own",
         check_new_life);
    TEST("what was mapped stays readable after the domain's death",
         check_mapping_outlives);
    TEST("a guest cannot reach another guest's memory", check_no_peeping);
    TEST("a guest cannot cut off its memory under a back end", check_sealed);
    TEST("unknown and malformed hypercalls do not end the server",
         check_hostile_messages);
    TEST("a guest's store socket comes and goes with it",
         check_store_socket);
    TEST("a domain can be suspended and resumed, and is as before",
         check_suspend);
    TEST("only a suspended domain is restored, as one that is new",
         check_restore_refusals);
    TEST("a restored domain has its memory, and a grant table of its own",
         check_restored_grants);
    TEST("a restored domain has no ports, its peers' are unbound",
         check_restored_ports);
    TEST("a second server for the same directory is refused",
         check_one_server);
    TEST("SIGTERM ends the server and removes its sockets", check_end);
    return tap_done();
}
