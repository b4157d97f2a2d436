/* SPDX-License-Identifier: MIT
 * Claim: the stand-in's store speaks the XenStore wire protocol (xs_wire.h;
 * Xen's docs/misc/xenstore.txt) well enough for libxenstore, keeps guests to
 * what they may do, and no client can hang or crash it. Mechanism: raw
 * messages and libxenstore against a vbdd-local of our own. */
#include "tests/unit/tap.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <xenstore.h>

#include "common/local/local.h"
#include "tests/unit/local-server.h"

enum { DOMID = 5 };

static struct local_server server;
static struct local *guest;
static int wire0, wire5; /* raw connections as domain 0 and as the guest */

/* --- raw messages --------------------------------------------------------- */

static struct {
    struct xsd_sockmsg header;
    char data[XENSTORE_PAYLOAD_MAX + 1];
} answer;

static int wire_open(uint32_t domid)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval patience = { 60, 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    local_store_path(server.dir, domid, address.sun_path,
                     sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

static int receive_all(int fd, void *data, size_t bytes)
{
    return bytes == 0 ||
           recv(fd, data, bytes, MSG_WAITALL) == (ssize_t)bytes ? 0 : -1;
}

/* The next message into answer; its text is always terminated. */
static int wire_receive(int fd)
{
    if (receive_all(fd, &answer.header, sizeof answer.header) < 0 ||
        answer.header.len > XENSTORE_PAYLOAD_MAX ||
        receive_all(fd, answer.data, answer.header.len) < 0)
        return -1;
    answer.data[answer.header.len] = '\0';
    return 0;
}

static void wire_send(int fd, uint32_t type, uint32_t tx, const void *data,
                      uint32_t bytes)
{
    struct xsd_sockmsg header = { type, 77, tx, bytes };

    if (send(fd, &header, sizeof header, MSG_NOSIGNAL) < 0 ||
        send(fd, data, bytes, MSG_NOSIGNAL) < 0) { /* the answer tells */ }
}

/* Asks and returns the text of the answer; "EOF" when there is none. Events
 * that come first are passed over. */
static const char *ask_tx(int fd, uint32_t type, uint32_t tx,
                          const void *data, size_t bytes)
{
    wire_send(fd, type, tx, data, (uint32_t)bytes);
    do {
        if (wire_receive(fd) < 0)
            return "EOF";
    } while (answer.header.type == XS_WATCH_EVENT);
    CHECK_EQ(answer.header.req_id, 77);
    CHECK_EQ(answer.header.tx_id, tx);
    CHECK(answer.header.type == type || answer.header.type == XS_ERROR);
    return answer.data;
}

/* A literal with its final 0. */
#define ASK(fd, type, literal) ask_tx(fd, type, 0, literal, sizeof literal)
/* A literal without it: values, or what is not terminated. */
#define ASK_RAW(fd, type, literal)                                           \
    ask_tx(fd, type, 0, literal, sizeof literal - 1)
#define ASK_TX(fd, type, tx, literal)                                        \
    ask_tx(fd, type, tx, literal, sizeof literal)

static uint32_t begin(int fd)
{
    return (uint32_t)strtoul(ASK(fd, XS_TRANSACTION_START, ""), NULL, 10);
}

/* The next event as "path token", "none" when nothing comes. A request in
 * between makes sure that all there is has come. */
static const char *next_event(int fd)
{
    static char text[2 * XENSTORE_PAYLOAD_MAX];

    wire_send(fd, XS_GET_DOMAIN_PATH, 0, "0", 2);
    if (wire_receive(fd) < 0)
        return "EOF";
    if (answer.header.type != XS_WATCH_EVENT)
        return "none";
    snprintf(text, sizeof text, "%s %s", answer.data,
             answer.data + strlen(answer.data) + 1);
    for (;;) { /* the answer to our own request; later events wait behind it */
        struct xsd_sockmsg header;
        char rest[64];

        if (recv(fd, &header, sizeof header, MSG_PEEK | MSG_WAITALL) !=
            sizeof header)
            return "EOF";
        if (header.type == XS_WATCH_EVENT)
            break;
        receive_all(fd, &header, sizeof header);
        receive_all(fd, rest, header.len); /* /local/domain/0 */
        break;
    }
    return text;
}

/* --- the tests ------------------------------------------------------------ */

static void check_basics(void)
{
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/a/b\0value"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/a/b"), "value");
    CHECK_EQ(answer.header.len, 5);
    CHECK_STR(ASK(wire0, XS_READ, "/a"), "");
    CHECK_EQ(answer.header.len, 0);
    CHECK_STR(ASK(wire0, XS_READ, "/none"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_MKDIR, "/a/c"), "OK");
    CHECK_STR(ASK(wire0, XS_MKDIR, "/a/b"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/a/b"), "value");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/a/aa\0with\0zero"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/a/aa"), "with");
    CHECK_EQ(answer.header.len, 9);
    ASK(wire0, XS_DIRECTORY, "/a");
    CHECK_EQ(answer.header.len, 7);
    CHECK(memcmp(answer.data, "aa\0b\0c\0", 7) == 0);
    CHECK_STR(ASK(wire0, XS_DIRECTORY, "/none"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_RM, "/a"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/a/b"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_RM, "/a"), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/a/b"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_RM, "/"), "EINVAL");
}

static void check_paths(void)
{
    static char path[4096];

    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "here\0x"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/local/domain/0/here"), "x");
    CHECK_STR(ASK(wire0, XS_RM, "here"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, ""), "EINVAL");
    CHECK_STR(ASK(wire0, XS_READ, "/a/"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_READ, "/a//b"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_READ, "/a b"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_READ, "/\xff"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_READ, "/a.b"), "EINVAL");
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[3072] = '\0';
    CHECK_STR(ask_tx(wire0, XS_READ, 0, path, 3073), "ENOENT");
    path[3072] = 'p';
    path[3073] = '\0';
    CHECK_STR(ask_tx(wire0, XS_READ, 0, path, 3074), "EINVAL");
    path[0] = 'p';
    path[2048] = '\0';
    CHECK_STR(ask_tx(wire0, XS_READ, 0, path, 2049), "ENOENT");
    path[2048] = 'p';
    path[2049] = '\0';
    CHECK_STR(ask_tx(wire0, XS_READ, 0, path, 2050), "EINVAL");
    for (unsigned i = 0; i < 3072; i += 2) /* as deep as can be */
        memcpy(path + i, "/d", 2);
    path[3072] = '\0';
    CHECK_STR(ask_tx(wire0, XS_MKDIR, 0, path, 3073), "OK");
    CHECK_STR(ask_tx(wire0, XS_READ, 0, path, 3073), "");
    CHECK_STR(ASK(wire0, XS_RM, "/d"), "OK");
}

static void check_malformed(void)
{
    CHECK_STR(ask_tx(wire0, XS_READ, 0, NULL, 0), "EINVAL");
    CHECK_STR(ASK_RAW(wire0, XS_READ, "/a"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_READ, "/a\0more"), "EINVAL");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/a"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_WATCH, "/a"), "EINVAL");
    CHECK_STR(ASK_RAW(wire0, XS_WATCH, "/a\0token"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_WATCH, "/a\0token\0more"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_UNWATCH, "/a\0token"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/\0x0"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/\0r"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/\0r-1"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/\0r4294967296"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/\0"), "EINVAL");
    CHECK_STR(ASK_RAW(wire0, XS_SET_PERMS, "/\0r0"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_GET_DOMAIN_PATH, "x"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_DIRECTORY_PART, "/"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_DIRECTORY_PART, "/\0" "9x"), "EINVAL");
    CHECK_STR(ASK(wire0, XS_TRANSACTION_END, "T"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_INTRODUCE, "5\0" "1\0" "1"), "EINVAL");
    CHECK_STR(ASK(wire5, XS_INTRODUCE, "5\0" "1\0" "1"), "EACCES");
    CHECK_STR(ASK_TX(wire0, XS_READ, 12345, "/"), "ENOENT");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, 12345, "T"), "ENOENT");
    wire_send(wire0, 1000, 0, "x", 2);
    REQUIRE(wire_receive(wire0) == 0);
    CHECK_STR(answer.data, "ENOSYS");
    wire_send(wire0, UINT32_MAX, 0, NULL, 0);
    REQUIRE(wire_receive(wire0) == 0);
    CHECK_STR(answer.data, "ENOSYS");
    CHECK_STR(ASK(wire0, XS_CONTROL, "print"), "ENOSYS");
    CHECK_STR(ASK(wire0, XS_WATCH_EVENT, "/a\0b"), "ENOSYS");
}

static void check_oversized(void)
{
    struct xsd_sockmsg header = { XS_READ, 77, 0, XENSTORE_PAYLOAD_MAX + 1 };
    const uint32_t lengths[] = { XENSTORE_PAYLOAD_MAX + 1, UINT32_MAX };
    static char full[XENSTORE_PAYLOAD_MAX] = "/full";
    int fd;

    for (unsigned i = 0; i < 2; i++) {
        fd = wire_open(DOMID);
        header.len = lengths[i];
        CHECK(send(fd, &header, sizeof header, MSG_NOSIGNAL) > 0);
        CHECK_EQ(wire_receive(fd), -1); /* sent away */
        close(fd);
    }
    memset(full + 6, 'v', sizeof full - 6);
    CHECK_STR(ask_tx(wire0, XS_WRITE, 0, full, sizeof full), "OK");
    ASK(wire0, XS_READ, "/full");
    CHECK_EQ(answer.header.len, sizeof full - 6);
    CHECK(memcmp(answer.data, full + 6, sizeof full - 6) == 0);
    CHECK_STR(ASK(wire0, XS_RM, "/full"), "OK");
}

static void check_in_pieces(void)
{
    struct {
        struct xsd_sockmsg header;
        char data[2];
    } message = { { XS_DIRECTORY, 77, 0, 2 }, "/" };
    int fd = wire_open(0);

    for (unsigned i = 0; i < sizeof message.header + 2; i++) {
        CHECK_EQ(send(fd, (char *)&message + i, 1, 0), 1);
        usleep(200);
    }
    CHECK_EQ(wire_receive(fd), 0);
    CHECK_EQ(answer.header.type, XS_DIRECTORY);
    CHECK_EQ(send(fd, &message, 7, 0), 7); /* and goes away in the middle */
    close(fd);
    CHECK_STR(ASK(wire0, XS_GET_DOMAIN_PATH, "5"), "/local/domain/5");
}

static void check_not_reading(void)
{
    uint32_t sent = 0;
    int fd = wire_open(DOMID);

    CHECK_STR(ASK(wire5, XS_DIRECTORY, "/local/domain/5"), "");
    for (; sent < 3000000; sent++) {
        struct {
            struct xsd_sockmsg header;
            char data[4];
        } message = { { XS_GET_DOMAIN_PATH, 77, 0, 2 }, "5" };

        if (send(fd, &message, sizeof message.header + 2, MSG_NOSIGNAL) < 0)
            break;
    }
    NOTE("sent away after %u requests", sent);
    CHECK(sent < 3000000 && sent > 1000);
    close(fd);
    CHECK_STR(ASK(wire0, XS_GET_DOMAIN_PATH, "5"), "/local/domain/5");
}

/* Domain 0 has made /guest for the domain, which may write there. */
static void check_permissions(void)
{
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/secret\0x"), "OK");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/shown\0x"), "OK");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/shown\0n0\0r5"), "OK");
    CHECK_STR(ASK(wire0, XS_MKDIR, "/guest"), "OK");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/guest\0n5\0r3"), "OK");
    CHECK_STR(ASK(wire5, XS_READ, "/secret"), "EACCES");
    CHECK_STR(ASK(wire5, XS_READ, "/secret/below"), "EACCES");
    CHECK_STR(ASK(wire5, XS_DIRECTORY, "/"), "EACCES");
    CHECK_STR(ASK(wire5, XS_GET_PERMS, "/secret"), "EACCES");
    CHECK_STR(ASK(wire5, XS_READ, "/shown"), "x");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "/shown\0y"), "EACCES");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "/shown/new\0y"), "EACCES");
    CHECK_STR(ASK(wire5, XS_MKDIR, "/new"), "EACCES");
    CHECK_STR(ASK(wire5, XS_RM, "/shown"), "EACCES");
    CHECK_STR(ASK(wire5, XS_SET_PERMS, "/shown\0b0"), "EACCES");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "/guest/x/y\0mine"), "OK");
    ASK(wire0, XS_GET_PERMS, "/guest/x/y");
    CHECK_EQ(answer.header.len, 6);
    CHECK(memcmp(answer.data, "n5\0r3\0", 6) == 0);
    CHECK_STR(ASK(wire5, XS_SET_PERMS, "/guest/x\0n0"), "EPERM");
    CHECK_STR(ASK(wire5, XS_SET_PERMS, "/guest/x\0b5\0w3\0n4"), "OK");
    ASK(wire5, XS_GET_PERMS, "/guest/x");
    CHECK(memcmp(answer.data, "b5\0w3\0n4\0", 9) == 0);
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/guest/by0\0x"), "OK");
    CHECK_STR(ASK(wire0, XS_GET_PERMS, "/guest/by0"), "n5");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/guest/by0\0w0"), "OK");
    CHECK_STR(ASK(wire5, XS_READ, "/guest/by0"), "EACCES");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "/guest/by0\0z"), "OK");
    CHECK_STR(ASK(wire5, XS_SET_PERMS, "/guest/by0\0b5"), "EACCES");
    CHECK_STR(ASK(wire5, XS_RM, "/guest"), "OK");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/shown\0n0\0b5"), "OK");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "/shown/new\0y"), "OK");
    ASK(wire5, XS_GET_PERMS, "/shown/new"); /* its own: it made it */
    CHECK(memcmp(answer.data, "n5\0b5\0", 6) == 0);
    CHECK_STR(ASK(wire0, XS_RM, "/secret"), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/shown"), "OK");
}

static void check_domain_place(void)
{
    CHECK_STR(ASK(wire0, XS_GET_PERMS, "/local/domain/5"), "n0");
    CHECK_STR(answer.data + 3, "r5");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "mine\0x"), "EACCES");
    CHECK_STR(ASK(wire0, XS_MKDIR, "/local/domain/5/data"), "OK");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/local/domain/5/data\0n5"), "OK");
    CHECK_STR(ASK_RAW(wire5, XS_WRITE, "data/mine\0x"), "OK");
    CHECK_STR(ASK(wire5, XS_READ, "/local/domain/5/data/mine"), "x");
    CHECK_STR(ASK(wire0, XS_IS_DOMAIN_INTRODUCED, "5"), "T");
    CHECK_STR(ASK(wire0, XS_IS_DOMAIN_INTRODUCED, "6"), "F");
    CHECK_STR(ASK(wire0, XS_IS_DOMAIN_INTRODUCED, "0"), "T");
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/5/data"), "OK");
}

static void check_watches(void)
{
    int fd = wire_open(0);

    CHECK_STR(ASK(fd, XS_WATCH, "/w/a\0t1"), "OK");
    CHECK_STR(next_event(fd), "/w/a t1"); /* the first, at once */
    CHECK_STR(ASK(fd, XS_WATCH, "/w/a\0t1"), "EEXIST");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w/a\0x"), "OK");
    CHECK_STR(next_event(fd), "/w/a t1");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w/a/b/c\0x"), "OK");
    CHECK_STR(next_event(fd), "/w/a/b/c t1");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w/ab\0x"), "OK");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w\0x"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/w/a"), "x");
    CHECK_STR(ASK(wire0, XS_MKDIR, "/w/a"), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/w/a/none"), "OK");
    CHECK_STR(next_event(fd), "none");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/w/a\0r0"), "OK");
    CHECK_STR(next_event(fd), "/w/a t1");
    CHECK_STR(ASK(fd, XS_UNWATCH, "/w/a\0t2"), "ENOENT");
    CHECK_STR(ASK(fd, XS_UNWATCH, "/w/a\0t1"), "OK");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w/a\0y"), "OK");
    CHECK_STR(next_event(fd), "none");
    CHECK_STR(ASK(fd, XS_WATCH, "/\0all"), "OK");
    CHECK_STR(next_event(fd), "/ all");
    CHECK_STR(ASK(fd, XS_RESET_WATCHES, ""), "OK");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w/a\0y"), "OK");
    CHECK_STR(next_event(fd), "none");
    close(fd);
    CHECK_STR(ASK(wire0, XS_RM, "/w"), "OK");
}

static void check_removal_events(void)
{
    int fd = wire_open(0);

    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/w/a/b\0x"), "OK");
    ASK(fd, XS_WATCH, "/w/a/b\0below");
    CHECK_STR(next_event(fd), "/w/a/b below");
    ASK(fd, XS_WATCH, "/w/a/none\0missing");
    CHECK_STR(next_event(fd), "/w/a/none missing");
    ASK(fd, XS_WATCH, "/w\0above");
    CHECK_STR(next_event(fd), "/w above");
    CHECK_STR(ASK(wire0, XS_RM, "/w/a"), "OK");
    CHECK_STR(next_event(fd), "/w/a/b below");
    CHECK_STR(next_event(fd), "/w/a above");
    CHECK_STR(next_event(fd), "none");
    CHECK_STR(ASK(wire0, XS_RM, "/w"), "OK");
    close(fd);
}

static void check_guest_watches(void)
{
    CHECK_STR(ASK(wire0, XS_MKDIR, "/local/domain/5/dev"), "OK");
    ASK(wire5, XS_WATCH, "dev\0rel");
    CHECK_STR(next_event(wire5), "dev rel");
    ASK(wire5, XS_WATCH, "/hidden\0h");
    CHECK_STR(next_event(wire5), "/hidden h");
    ASK(wire5, XS_WATCH, "@releaseDomain\0r");
    CHECK_STR(next_event(wire5), "@releaseDomain r");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/local/domain/5/dev/x\0" "1"), "OK");
    CHECK_STR(next_event(wire5), "dev/x rel");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/hidden/x\0" "1"), "OK");
    CHECK_STR(next_event(wire5), "none");
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/5/dev"), "OK");
    CHECK_STR(next_event(wire5), "dev rel");
    CHECK_STR(ASK(wire5, XS_WATCH, "\0t"), "EINVAL");
    CHECK_STR(ASK(wire5, XS_RESET_WATCHES, ""), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/hidden"), "OK");
}

static void check_domain_events(void)
{
    struct local *other;
    int fd = wire_open(0);

    ASK(fd, XS_WATCH, "@introduceDomain\0in");
    CHECK_STR(next_event(fd), "@introduceDomain in");
    ASK(fd, XS_WATCH, "@releaseDomain\0out");
    CHECK_STR(next_event(fd), "@releaseDomain out");
    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_domain_create(other, 6, 32) == 0);
    CHECK_STR(next_event(fd), "@introduceDomain in");
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/local/domain/6/kept\0x"), "OK");
    local_close(other);
    CHECK_EQ(wire_receive(fd), 0);
    CHECK_STR(answer.data, "@releaseDomain");
    CHECK_STR(ASK(wire0, XS_READ, "/local/domain/6/kept"), "x");
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/6"), "OK");
    close(fd);
}

/* xenstored tells of a suspend and not of its end; a restored domain is a new
 * one, and the old one has died. */
static void check_suspend_events(void)
{
    struct local *other;
    int fd = wire_open(0), door;

    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_domain_create(other, 6, 32) == 0);
    ASK(fd, XS_WATCH, "@introduceDomain\0in");
    CHECK_STR(next_event(fd), "@introduceDomain in");
    ASK(fd, XS_WATCH, "@releaseDomain\0out");
    CHECK_STR(next_event(fd), "@releaseDomain out");
    CHECK_EQ(local_domain_suspend(other, 6), 0);
    CHECK_STR(next_event(fd), "@releaseDomain out");
    CHECK_EQ(local_domain_resume(other, 6), 0);
    CHECK_STR(next_event(fd), "none");
    CHECK_EQ(local_domain_suspend(other, 6), 0);
    CHECK_STR(next_event(fd), "@releaseDomain out");
    door = wire_open(6);
    ASK(door, XS_WATCH, "dev\0w");
    CHECK_STR(next_event(door), "dev w");
    CHECK_EQ(local_domain_restore(other, 7), 0);
    CHECK_STR(next_event(fd), "@introduceDomain in");
    CHECK_STR(next_event(fd), "@releaseDomain out");
    CHECK_STR(next_event(fd), "none");
    CHECK_EQ(wire_receive(door), -1);
    close(door);
    door = wire_open(7);
    CHECK_STR(ASK(door, XS_UNWATCH, "dev\0w"), "ENOENT");
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/6"), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/7"), "OK");
    close(door);
    local_close(other);
    close(fd);
}

static void check_transactions(void)
{
    uint32_t tx = begin(wire0), other;
    int fd = wire_open(0);

    CHECK(tx != 0);
    ASK(fd, XS_WATCH, "/t\0w");
    CHECK_STR(next_event(fd), "/t w");
    CHECK_STR(ask_tx(wire0, XS_WRITE, tx, "/t/x\0in", 7), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/t/x"), "ENOENT");
    CHECK_STR(ASK(fd, XS_READ, "/t/x"), "ENOENT");
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "in");
    CHECK_STR(ASK_TX(fd, XS_READ, tx, "/t/x"), "ENOENT"); /* not its own */
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_START, tx, ""), "EBUSY");
    CHECK_STR(next_event(fd), "none");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, tx, "x"), "EINVAL");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, tx, "T"), "OK");
    CHECK_STR(next_event(fd), "/t/x w");
    CHECK_STR(ASK(wire0, XS_READ, "/t/x"), "in");
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "ENOENT");

    tx = begin(wire0);
    CHECK_STR(ASK_TX(wire0, XS_RM, tx, "/t"), "OK");
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "ENOENT");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, tx, "F"), "OK");
    CHECK_STR(ASK(wire0, XS_READ, "/t/x"), "in");
    CHECK_STR(next_event(fd), "none");

    tx = begin(wire0);
    other = begin(fd);
    CHECK(tx != other);
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "in");
    CHECK_STR(ask_tx(fd, XS_WRITE, other, "/t/x\0" "2", 6), "OK");
    CHECK_STR(ask_tx(wire0, XS_WRITE, tx, "/t/x\0" "3", 6), "OK");
    CHECK_STR(ASK_TX(fd, XS_TRANSACTION_END, other, "T"), "OK");
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "3");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, tx, "T"), "EAGAIN");
    CHECK_STR(ASK(wire0, XS_READ, "/t/x"), "2");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, tx, "T"), "ENOENT");

    tx = begin(wire0); /* one that only read needs no retry */
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "2");
    CHECK_STR(ASK_RAW(fd, XS_WRITE, "/t/x\0" "4"), "OK");
    CHECK_STR(ASK_TX(wire0, XS_READ, tx, "/t/x"), "2");
    CHECK_STR(ASK_TX(wire0, XS_TRANSACTION_END, tx, "T"), "OK");
    close(fd);
    CHECK_STR(ASK(wire0, XS_RM, "/t"), "OK");
}

static void check_guest_limits(void)
{
    const char *said = "OK";
    uint32_t tx = 0;
    unsigned nr;
    char text[32];
    int fds[64];

    for (nr = 0; nr < 1000 && strcmp(said, "OK") == 0; nr++) {
        int length = sprintf(text, "w%u", nr);

        strcpy(text + length + 1, "t");
        said = ask_tx(wire5, XS_WATCH, 0, text, (size_t)length + 3);
    }
    CHECK_STR(said, "E2BIG");
    CHECK_EQ(nr, 129);
    for (nr = 0; nr < 100; nr++)
        if (!(tx = begin(wire5)))
            break;
    CHECK_EQ(nr, 10);
    CHECK_STR(answer.data, "ENOSPC");
    CHECK_STR(ASK(wire5, XS_RESET_WATCHES, ""), "OK");

    CHECK_STR(ASK(wire0, XS_MKDIR, "/guest"), "OK");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/guest\0n5"), "OK");
    tx = begin(wire5);
    do
        said = ask_tx(wire5, XS_WRITE, tx, "/guest\0x", 8);
    while (strcmp(said, "OK") == 0);
    CHECK_STR(said, "ENOSPC");
    CHECK_STR(ASK_TX(wire5, XS_TRANSACTION_END, tx, "T"), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/guest"), "OK");

    for (nr = 0; nr < 64; nr++) {
        fds[nr] = wire_open(DOMID);
        if (fds[nr] < 0 ||
            strcmp(ASK(fds[nr], XS_GET_DOMAIN_PATH, "1"), "EOF") == 0)
            break;
    }
    CHECK_EQ(nr, 31); /* and wire5 */
    for (unsigned i = 0; i <= nr; i++)
        close(fds[i]);
}

static void check_node_limit(void)
{
    unsigned made = 0, unasked = 0;
    const char *said = "OK";
    char path[64];

    CHECK_STR(ASK(wire0, XS_MKDIR, "/guest"), "OK");
    CHECK_STR(ASK(wire0, XS_SET_PERMS, "/guest\0n5"), "OK");
    for (; made < 100000; made++) {
        int length = sprintf(path, "/guest/%u/%u", made % 300, made);

        said = ask_tx(wire5, XS_MKDIR, 0, path, (size_t)length + 1);
        if (strcmp(said, "OK") != 0)
            break;
        unasked++;
    }
    CHECK_STR(said, "ENOSPC");
    CHECK(unasked > 60000);
    CHECK_STR(ASK(wire5, XS_MKDIR, "/guest/0"), "OK"); /* it exists */
    CHECK_STR(ASK(wire0, XS_MKDIR, "/guest/zero"), "OK");
    CHECK_STR(ASK(wire0, XS_RM, "/guest"), "OK");
}

static void check_guest_gone(void)
{
    struct local *other;
    int fd;

    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_domain_create(other, 6, 32) == 0);
    fd = wire_open(6);
    CHECK(fd >= 0);
    CHECK_STR(ASK(fd, XS_GET_DOMAIN_PATH, "6"), "/local/domain/6");
    local_close(other);
    CHECK_EQ(wire_receive(fd), -1);
    close(fd);
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/6"), "OK");
}

/* Random bytes in well-framed messages, on throw-away connections. */
static void check_noise(void)
{
    unsigned long rounds = tap_scaled(20000);
    char noise[256];
    int fd = wire_open(DOMID);

    srand((unsigned)tap_seed());
    for (unsigned long i = 0; i < rounds; i++) {
        unsigned length = (unsigned)rand() % sizeof noise;

        for (unsigned at = 0; at < length; at++)
            noise[at] = "/a@rw05\0\0\xff"[rand() % 10];
        wire_send(fd, (uint32_t)rand() % 26, rand() % 4 ? 0 : (uint32_t)rand()
                  % 50, noise, length);
        do {
            if (wire_receive(fd) < 0) {
                close(fd);
                fd = wire_open(DOMID);
                break;
            }
        } while (answer.header.type == XS_WATCH_EVENT);
    }
    close(fd);
    CHECK_STR(ASK(wire0, XS_GET_DOMAIN_PATH, "5"), "/local/domain/5");
}

/* --- libxenstore ---------------------------------------------------------- */

static struct xs_handle *library_open(uint32_t domid)
{
    char path[128];
    struct xs_handle *handle;

    local_store_path(server.dir, domid, path, sizeof path);
    setenv("XENSTORED_PATH", path, 1);
    handle = xs_open(0);
    REQUIRE(handle);
    return handle;
}

static void check_library(void)
{
    struct xs_handle *xs = library_open(0);
    struct xs_permissions perms[2] = { { DOMID, XS_PERM_NONE },
                                       { 3, XS_PERM_READ } };
    struct xs_permissions *got;
    unsigned length, nr;
    char *value;

    CHECK(xs_write(xs, XBT_NULL, "/l/a", "hello", 5));
    value = xs_read(xs, XBT_NULL, "/l/a", &length);
    CHECK_STR(value, "hello");
    CHECK_EQ(length, 5);
    free(value);
    CHECK(xs_set_permissions(xs, XBT_NULL, "/l/a", perms, 2));
    got = xs_get_permissions(xs, XBT_NULL, "/l/a", &nr);
    CHECK(got && nr == 2 && got[0].id == DOMID && got[1].id == 3 &&
          got[1].perms == XS_PERM_READ);
    free(got);
    CHECK(xs_read(xs, XBT_NULL, "/l/none", &length) == NULL);
    CHECK_EQ(errno, ENOENT);
    CHECK(xs_is_domain_introduced(xs, DOMID));
    value = xs_get_domain_path(xs, DOMID);
    CHECK_STR(value, "/local/domain/5");
    free(value);
    CHECK(xs_rm(xs, XBT_NULL, "/l"));
    xs_close(xs);
}

/* More names than one message takes: libxenstore asks for them in parts. */
static void check_large_directory(void)
{
    enum { NR = 700 };
    struct xs_handle *xs = library_open(0);
    unsigned nr = 0, wrong = 0;
    char path[64], **names;

    for (unsigned i = 0; i < NR; i++) {
        sprintf(path, "/many/child-number-%04u", i);
        CHECK(xs_mkdir(xs, XBT_NULL, path));
    }
    CHECK_STR(ASK(wire0, XS_DIRECTORY, "/many"), "E2BIG");
    names = xs_directory(xs, XBT_NULL, "/many", &nr);
    CHECK_EQ(nr, NR);
    for (unsigned i = 0; names && i < nr; i++) {
        sprintf(path, "child-number-%04u", i);
        wrong += strcmp(names[i], path) != 0;
    }
    CHECK_EQ(wrong, 0);
    free(names);
    CHECK(xs_rm(xs, XBT_NULL, "/many"));
    xs_close(xs);
}

static void check_library_conflict(void)
{
    struct xs_handle *one = library_open(0), *two = library_open(0);
    xs_transaction_t tx = xs_transaction_start(one);

    CHECK(tx != XBT_NULL);
    free(xs_read(one, tx, "/l/a", NULL));
    CHECK(xs_write(two, XBT_NULL, "/l/a", "other", 5));
    CHECK(xs_write(one, tx, "/l/a", "mine", 4));
    CHECK(!xs_transaction_end(one, tx, false));
    CHECK_EQ(errno, EAGAIN);
    tx = xs_transaction_start(one);
    CHECK(xs_write(one, tx, "/l/a", "mine", 4));
    CHECK(xs_transaction_end(one, tx, false));
    CHECK_STR(ASK(wire0, XS_READ, "/l/a"), "mine");
    CHECK(xs_rm(one, XBT_NULL, "/l"));
    xs_close(two);
    xs_close(one);
}

static void check_library_watch(void)
{
    struct xs_handle *xs = library_open(DOMID);
    struct pollfd wait = { xs_fileno(xs), POLLIN, 0 };
    char **event;
    unsigned nr;

    CHECK(xs_watch(xs, "state", "token"));
    event = xs_read_watch(xs, &nr);
    CHECK(event && nr == 2);
    CHECK_STR(event[XS_WATCH_PATH], "state");
    free(event);
    CHECK_EQ(poll(&wait, 1, 0), 0);
    CHECK_STR(ASK_RAW(wire0, XS_WRITE, "/local/domain/5/state\0" "4"), "OK");
    CHECK_EQ(poll(&wait, 1, 60000), 1);
    event = xs_check_watch(xs);
    CHECK(event != NULL);
    CHECK_STR(event[XS_WATCH_PATH], "state");
    CHECK_STR(event[XS_WATCH_TOKEN], "token");
    free(event);
    CHECK(xs_unwatch(xs, "state", "token"));
    CHECK_STR(ASK(wire0, XS_RM, "/local/domain/5/state"), "OK");
    xs_close(xs);
}

int main(void)
{
    REQUIRE(local_server_start(&server) == 0);
    REQUIRE(local_open(server.dir, &guest) == 0);
    REQUIRE(local_domain_create(guest, DOMID, 32) == 0);
    wire0 = wire_open(0);
    wire5 = wire_open(DOMID);
    REQUIRE(wire0 >= 0 && wire5 >= 0);
    TEST("values and directories are kept and removed", check_basics);
    TEST("a path is legal or refused", check_paths);
    TEST("malformed requests get an error by name", check_malformed);
    TEST("an oversized message ends its connection, a full one is served",
         check_oversized);
    TEST("messages may come byte by byte, and stop in the middle",
         check_in_pieces);
    TEST("a client that does not read is sent away", check_not_reading);
    TEST("a guest does what permissions allow and nothing else",
         check_permissions);
    TEST("a domain finds its own place and may look at it",
         check_domain_place);
    TEST("a watch fires for its node and all below", check_watches);
    TEST("a removal fires the watches below it too", check_removal_events);
    TEST("a guest hears of its own paths, relative as it asked, and of no "
         "others", check_guest_watches);
    TEST("domains are announced and their place is kept",
         check_domain_events);
    TEST("a suspend is announced, its end is not, and a restore is a new life",
         check_suspend_events);
    TEST("a transaction is alone with what it sees and commits whole",
         check_transactions);
    TEST("a guest's watches, transactions and connections are bounded",
         check_guest_limits);
    TEST("a guest cannot fill the store", check_node_limit);
    TEST("a dead guest's store connections are closed", check_guest_gone);
    TEST("random requests do not end the server", check_noise);
    TEST("libxenstore reads, writes and sets permissions", check_library);
    TEST("libxenstore lists a directory of 700 names", check_large_directory);
    TEST("libxenstore sees a conflict as EAGAIN", check_library_conflict);
    TEST("libxenstore's watches work for a guest", check_library_watch);
    close(wire5);
    close(wire0);
    local_close(guest);
    REQUIRE(local_server_stop(&server) == 0);
    return tap_done();
}
