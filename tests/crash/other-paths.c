/* SPDX-License-Identifier: MIT
 * vbdverify with raw devices alone: in place of its other paths, for a guest
 * that is to have few libraries. */
#include "common/host/log.h"
#include "tools/vbdverify/path.h"

static bool refuse(struct path *path, const char *what)
{
    log_error("%s: %s: this vbdverify has raw devices alone", path->name, what);
    return false;
}

static void close_nothing(struct path *path)
{
    (void)path;
}

const struct path_kind path_ring = {
    .name = "ring", .open = refuse, .close = close_nothing };
const struct path_kind path_nbd = {
    .name = "nbd", .open = refuse, .close = close_nothing };
const struct path_kind path_int13 = {
    .name = "int13", .open = refuse, .close = close_nothing };
