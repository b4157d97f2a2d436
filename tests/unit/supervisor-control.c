/* SPDX-License-Identifier: MIT
 * Claim: whatever arrives at the control socket gets one clear answer or a
 * closed connection, costs bounded memory, and holds up nobody else.
 * Source: docs/CONTROL.md. Mechanism: a real vbdd on the stand-in, and raw
 * bytes sent to its socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

static const struct {
    const char *line, *said;
} garbage[] = {
    { "\n", "not JSON" },
    { "hello\n", "not JSON" },
    { "{\n", "not JSON" },
    { "{}}\n", "not JSON" },
    { "\"list\"\n", "not JSON" },
    { "[]\n", "expected an object" },
    { "[\"list\"]\n", "expected an object" },
    { "{}\n", "expected an object with a string \"command\"" },
    { "{\"command\":7}\n", "expected an object with a string" },
    { "{\"command\":null}\n", "expected an object with a string" },
    { "{\"command\":\"reboot\"}\n", "'reboot' is no command" },
    { "{\"command\":\"\"}\n", "'' is no command" },
    { "{\"command\":\"list\",\"command\":\"ping\"}\n", "not JSON: duplicate" },
    { "{\"command\":\"list\",\"all\":true}\n", "list has no argument 'all'" },
    { "{\"command\":\"show\"}\n", "expected either disk or vbd" },
    { "{\"command\":\"show\",\"disk\":1,\"vbd\":\"5/xvda\"}\n",
      "expected either disk or vbd" },
    { "{\"command\":\"show\",\"disk\":\"1\"}\n", "disk is not an integer" },
    { "{\"command\":\"show\",\"disk\":1.5}\n", "disk is not an integer" },
    { "{\"command\":\"show\",\"disk\":0}\n", "there is no disk 0" },
    { "{\"command\":\"show\",\"disk\":-1}\n", "there is no disk -1" },
    { "{\"command\":\"show\",\"disk\":4294967297}\n", "there is no disk 42" },
    { "{\"command\":\"show\",\"disk\":99999999999999999999}\n", "not JSON" },
    { "{\"command\":\"show\",\"vbd\":\"../../etc\"}\n", "there is no vbd" },
    { "{\"command\":\"show\",\"vbd\":\"5/xvda\\u0000x\"}\n", "not JSON" },
    { "{\"command\":\"stats\",\"disk\":9}\n", "there is no disk 9" },
    { "{\"command\":\"stats\",\"disk\":1,\"vbd\":\"5/xvda\"}\n",
      "stats: expected either disk or vbd" },
    { "{\"command\":\"stats\",\"vbd\":\"5/xvda\"}\n", "there is no vbd" },
    { "{\"command\":\"stats\",\"histogram\":1}\n",
      "histogram is not true or false" },
    { "{\"command\":\"features\",\"vbd\":\"5/xvda\"}\n",
      "there is no vbd '5/xvda': expected DOMID/VDEV" },
    { "{\"command\":\"nbd\"}\n", "nbd: expected either disk or vbd" },
    { "{\"command\":\"nbd\",\"disk\":9}\n", "there is no disk 9" },
    { "{\"command\":\"resize\"}\n", "resize: expected either disk or vbd" },
    { "{\"command\":\"resize\",\"disk\":9}\n", "there is no disk 9" },
    { "{\"command\":\"resize\",\"vbd\":\"5\"}\n", "there is no vbd '5'" },
    { "{\"command\":\"log-level\",\"level\":\"loud\"}\n",
      "'loud' is no level: expected error, warning, info or debug" },
    { "{\"command\":\"log-level\",\"level\":\"info\",\"disk\":9}\n",
      "there is no disk 9" },
    { "{\"command\":\"log-level\",\"disk\":9}\n", "there is no disk 9" },
    { "{\"command\":\"hotplug\",\"action\":\"add\"}\n", "path is missing" },
    { "{\"command\":\"hotplug\",\"action\":\"eat\",\"path\":\"/\"}\n",
      "action is 'eat'" },
    { "{\"command\":\"hotplug\",\"action\":\"add\",\"path\":\"/\"}\n",
      "is not a back-end node" },
    { "{\"command\":\"hotplug\",\"action\":\"remove\",\"path\":"
      "\"/local/domain/0/backend/vbd/5/51712/../../..\"}\n",
      "is not a back-end node" },
    { "{\"command\":\"detach\",\"domid\":5,\"vdev\":\"xvda\","
      "\"force\":\"yes\"}\n", "force is not true or false" },
    { "{\"command\":\"ping\"} {\"command\":\"ping\"}\n", "not JSON" },
    { "\xff\xfe\n", "not JSON" },
};

static void check_garbage(void)
{
    for (unsigned i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        json_t *reply = rig_receive(rig_send(garbage[i].line));

        if (!CHECK(rig_refused(reply, garbage[i].said)))
            NOTE("row %u", i);
        json_decref(reply);
    }
    CHECK(rig_ok(rig_ask("{\"command\":\"ping\"}")));
}

/* The first length bytes of a line that is one byte too long, or not. */
static json_t *ask_long(size_t length)
{
    char *line = malloc(length + 2);
    json_t *reply;

    memset(line, ' ', length);
    memcpy(line, "{\"command\":\"ping\"}", 18);
    strcpy(line + length, "\n");
    reply = rig_receive(rig_send(line));
    free(line);
    return reply;
}

static void check_long(void)
{
    json_t *reply = ask_long(65535);

    CHECK(rig_ok(reply));
    json_decref(reply);
    reply = ask_long(65536);
    CHECK(rig_refused(reply, "longer than 65535 bytes"));
    json_decref(reply);
    reply = ask_long(1 << 20);
    CHECK(!reply || rig_refused(reply, "longer than 65535 bytes"));
    json_decref(reply);
}

static void check_deep(void)
{
    static char line[20002];
    json_t *reply;

    memset(line, '[', sizeof line - 2);
    strcpy(line + sizeof line - 2, "\n");
    reply = rig_receive(rig_send(line));
    CHECK(rig_refused(reply, "not JSON"));
    json_decref(reply);
}

static void check_pieces(void)
{
    static const char line[] = "{\"command\":\"ping\"}\n{\"command\":\"list\"}"
                               "\nnonsense\n{\"command\":\"ping\"}\n";
    char got[512] = "", *at = got;
    int fd = rig_send("");
    FILE *stream = fdopen(fd, "r");

    REQUIRE(stream);
    for (unsigned i = 0; i < sizeof line - 1; i++)
        REQUIRE(send(fd, line + i, 1, MSG_NOSIGNAL) == 1);
    for (unsigned i = 0; i < 4; i++) {
        REQUIRE(fgets(at, (int)(got + sizeof got - at), stream));
        at += strlen(at);
    }
    CHECK_STR(got, "{\"version\":\"0.1.0\",\"ok\":true}\n"
                   "{\"disks\":[],\"vbds\":[],\"ok\":true}\n"
                   "{\"ok\":false,\"error\":\"not JSON: '[' or '{' expected "
                   "near 'nonsense'\"}\n"
                   "{\"version\":\"0.1.0\",\"ok\":true}\n");
    fclose(stream);
}

/* Asks for ever and reads nothing: is held up itself, and nobody else. */
static void check_deaf(void)
{
    static const char line[] = "{\"command\":\"ping\"}\n";
    int fd = rig_send(""), sent = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 1000000; i++) {
        if (send(fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0) {
            if (errno != EAGAIN)
                break;
            if (rig_ok(rig_ask("{\"command\":\"ping\"}")) && sent++ > 50)
                break;
        }
    }
    CHECK(sent > 50);
    CHECK(rig_ok(rig_ask("{\"command\":\"list\"}")));
    close(fd);
    CHECK(rig_ok(rig_ask("{\"command\":\"list\"}")));
}

static void check_crowd(void)
{
    int fds[80];
    json_t *reply;
    unsigned refused = 0;

    for (unsigned i = 0; i < 80; i++)
        fds[i] = rig_send("");
    for (unsigned i = 0; i < 80; i++) {
        char byte;

        if (recv(fds[i], &byte, 1, i < 64 ? MSG_DONTWAIT : 0) == 1)
            refused++;
    }
    CHECK_EQ(refused, 16);
    reply = rig_receive(fds[79]);
    json_decref(reply);
    for (unsigned i = 0; i < 79; i++)
        close(fds[i]);
    CHECK(rig_ok(rig_ask("{\"command\":\"ping\"}")) ||
          rig_ok(rig_ask("{\"command\":\"ping\"}")));
}

static void check_vanishing(void)
{
    for (unsigned i = 0; i < 200; i++) {
        int fd = rig_send(i % 2 ? "{\"command\":\"list\"}\n"
                                : "{\"command\":\"li");

        if (i % 3 == 0)
            shutdown(fd, SHUT_RD);
        close(fd);
    }
    CHECK(rig_ok(rig_ask("{\"command\":\"ping\"}")));
}

static void check_permissions(void)
{
    struct stat status;

    REQUIRE(stat(rig_path("state/control"), &status) == 0);
    CHECK_EQ(status.st_mode & 0777, 0600);
    REQUIRE(stat(rig_path("state"), &status) == 0);
    CHECK_EQ(status.st_mode & 0777, 0700);
}

int main(void)
{
    rig_start("");
    TEST("what makes no sense is refused with a reason", check_garbage);
    TEST("a line may be 65535 bytes long and not one more", check_long);
    TEST("brackets without end are refused", check_deep);
    TEST("requests may come in pieces or together, and are answered in order",
         check_pieces);
    TEST("a client that does not read holds up itself only", check_deaf);
    TEST("a client too many is told so", check_crowd);
    TEST("clients may leave at any time", check_vanishing);
    TEST("only its owner may use the socket", check_permissions);
    rig_end();
    return tap_done();
}
