/* SPDX-License-Identifier: MIT
 * Claim: a transaction of the stand-in's store fails for what others have
 * changed of what it went by, and for nothing else; what it did is then in the
 * tree, in order, beside what others did.
 * Source: xenstored (xenstored_transaction.c: a node's generation).
 * Mechanism: two connections of libxenstore's. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "tests/unit/local-server.h"
#include "tests/unit/tap.h"

static struct xs_handle *ours, *theirs;

static bool put(struct xs_handle *xs, xs_transaction_t t, const char *path,
                const char *value)
{
    return xs_write(xs, t, path, value, (unsigned)strlen(value));
}

/* NULL: it must not be there. */
static bool is(const char *path, const char *value)
{
    char *got = xs_read(ours, XBT_NULL, path, NULL);
    bool is_right = got && value ? strcmp(got, value) == 0 : got == value;

    if (!is_right)
        NOTE("%s is %s, not %s", path, got ? got : "missing",
             value ? value : "missing");
    free(got);
    return is_right;
}

enum what { LOOK, WRITE, REMOVE };

/* What the transaction does, what another one writes meanwhile, whether that
 * is in its way, and what is then at path. */
static const struct {
    enum what what;
    const char *path, *other;
    bool is_done;
    const char *then;
} conflicts[] = {
    { WRITE, "/c/a", "/d", true, "mine" },
    { WRITE, "/c/a", "/c/b", true, "mine" }, /* both were there */
    { WRITE, "/c/a", "/c/a", false, "theirs" },
    { WRITE, "/c/new", "/c/b", true, "mine" },
    { WRITE, "/c/new", "/c/b/new", true, "mine" },
    { WRITE, "/c/new", "/c/newer", false, NULL }, /* one list of children */
    { WRITE, "/c/new/er", "/c/a", true, "mine" },
    { WRITE, "/c/new/er", "/c/new", false, NULL },
    { LOOK, "/c/a", "/c/b", true, "old" },
    { LOOK, "/c/a", "/c/b/below", true, "old" },
    { LOOK, "/c/a", "/c/a/below", false, "old" },
    { LOOK, "/c/a", "/c/a", false, "theirs" },
    { LOOK, "/c/new", "/c/new", false, "theirs" },
    { REMOVE, "/c/b", "/c/a", true, NULL },
    { REMOVE, "/c/b", "/c/b", false, "theirs" },
    { REMOVE, "/c/b", "/c/b/below/deep", false, "old" },
};

static void act(enum what what, xs_transaction_t t, const char *path)
{
    switch (what) {
    case LOOK:
        free(xs_read(ours, t, path, NULL));
        break;
    case WRITE:
        CHECK(put(ours, t, path, "mine"));
        break;
    case REMOVE:
        CHECK(xs_rm(ours, t, path));
        break;
    }
}

static void check_conflict(unsigned row)
{
    bool is_done = conflicts[row].is_done;
    xs_transaction_t t;

    CHECK(put(ours, XBT_NULL, "/c/a", "old"));
    CHECK(put(ours, XBT_NULL, "/c/b", "old"));
    CHECK(put(ours, XBT_NULL, "/e", "old"));
    t = xs_transaction_start(ours);
    CHECK(put(ours, t, "/e", "new"));
    act(conflicts[row].what, t, conflicts[row].path);
    CHECK(put(theirs, XBT_NULL, conflicts[row].other, "theirs"));
    if (!CHECK_EQ(xs_transaction_end(ours, t, false), is_done))
        NOTE("row %u", row);
    CHECK(is_done || errno == EAGAIN);
    CHECK(is("/e", is_done ? "new" : "old"));
    CHECK(is(conflicts[row].path, conflicts[row].then));
    xs_rm(ours, XBT_NULL, "/c");
    xs_rm(ours, XBT_NULL, "/d");
    xs_rm(ours, XBT_NULL, "/e");
}

static void check_conflicts(void)
{
    for (unsigned i = 0; i < sizeof conflicts / sizeof *conflicts; i++)
        check_conflict(i);
}

static void check_redone(void)
{
    struct xs_permissions wanted[2] = { { .id = 7, .perms = XS_PERM_NONE },
                                        { .id = 5, .perms = XS_PERM_READ } };
    struct xs_permissions *got;
    xs_transaction_t t;
    unsigned nr = 0;

    CHECK(put(ours, XBT_NULL, "/c/gone/x", "old"));
    CHECK(put(ours, XBT_NULL, "/c/again/x", "old"));
    t = xs_transaction_start(ours);
    CHECK(xs_rm(ours, t, "/c/gone"));
    CHECK(xs_rm(ours, t, "/c/again"));
    CHECK(put(ours, t, "/c/again/y", "new"));
    CHECK(put(ours, t, "/c/brief/y", "new"));
    CHECK(xs_rm(ours, t, "/c/brief"));
    CHECK(xs_mkdir(ours, t, "/c/p/q"));
    CHECK(xs_set_permissions(ours, t, "/c/p", wanted, 2));
    CHECK(put(theirs, XBT_NULL, "/d", "theirs"));
    CHECK(xs_transaction_end(ours, t, false));
    CHECK(is("/c/gone", NULL));
    CHECK(is("/c/again/x", NULL));
    CHECK(is("/c/again/y", "new"));
    CHECK(is("/c/brief", NULL));
    CHECK(is("/d", "theirs"));
    got = xs_get_permissions(ours, XBT_NULL, "/c/p", &nr);
    CHECK(got && nr == 2 && got[0].id == 7 && got[1].id == 5);
    free(got);
    got = xs_get_permissions(ours, XBT_NULL, "/c/p/q", &nr);
    CHECK(got && nr == 1 && got[0].id == 0); /* made before that */
    free(got);
    CHECK(xs_rm(ours, XBT_NULL, "/c"));
    CHECK(xs_rm(ours, XBT_NULL, "/d"));
}

int main(void)
{
    struct local_server server;
    char path[96];

    REQUIRE(local_server_start(&server) == 0);
    snprintf(path, sizeof path, "%s/xenstored", server.dir);
    setenv("XENSTORED_PATH", path, 1);
    ours = xs_open(0);
    theirs = xs_open(0);
    REQUIRE(ours && theirs);
    TEST("who changes what a transaction went by is in its way, nobody else",
         check_conflicts);
    TEST("what a transaction did is there beside what others did",
         check_redone);
    xs_close(ours);
    xs_close(theirs);
    REQUIRE(local_server_stop(&server) == 0);
    return tap_done();
}
