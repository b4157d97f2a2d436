/* SPDX-License-Identifier: MIT
 * The bugs that tests can switch on, and what they are called. Part of
 * libcoherency-test.a alone. */
#include <string.h>

#include "backend/coherency/bug.h"

enum coherency_bug coherency_bug;

static const struct {
    const char *name, *sentence;
} bugs[COHERENCY_BUG_COUNT] = {
    [COHERENCY_BUG_NONE] = { "none", "there is no bug" },
    [COHERENCY_BUG_JOIN_RUNNING_FLUSH] = {
        "join-running-flush", "a flush joins a running one" },
    [COHERENCY_BUG_FLUSH_PER_CLIENT] = {
        "flush-per-client", "a flush covers its own client" },
    [COHERENCY_BUG_ACK_BEFORE_WRITE] = {
        "ack-before-write", "a write is answered when begun" },
    [COHERENCY_BUG_BARRIER_NO_DRAIN] = {
        "barrier-no-drain", "a barrier does not drain" },
    [COHERENCY_BUG_LOST_WAITER] = {
        "lost-waiter", "a waiter is forgotten" },
    [COHERENCY_BUG_READ_OVERTAKES] = {
        "read-overtakes", "a read overtakes a write" },
    [COHERENCY_BUG_WRONG_MERGE] = {
        "wrong-merge", "a merge reads the wrong block" },
    [COHERENCY_BUG_NO_WRITE_THROUGH] = {
        "no-write-through", "write-through does nothing" },
    [COHERENCY_BUG_BARRIER_NOT_DURABLE] = {
        "barrier-not-durable", "a barrier's data is volatile" },
    [COHERENCY_BUG_IGNORE_FUA] = {
        "ignore-fua", "FUA is ignored" },
    [COHERENCY_BUG_BARRIER_NO_GATE] = {
        "barrier-no-gate", "later writes pass a barrier" },
    [COHERENCY_BUG_EARLY_RELEASE] = {
        "early-release", "a range is released too early" },
    [COHERENCY_BUG_FLUSH_FAILURE_IGNORED] = {
        "flush-failure-ignored", "a failed flush is OK" },
    [COHERENCY_BUG_PART_ERROR_LOST] = {
        "part-error-lost", "the error of a part is lost" },
    [COHERENCY_BUG_ZERO_NO_MERGE] = {
        "zero-no-merge", "a zero takes whole blocks" },
    [COHERENCY_BUG_ZERO_IS_DURABLE] = {
        "zero-is-durable", "a durable zero is volatile" },
    [COHERENCY_BUG_EDGE_UNLOCKED] = {
        "edge-unlocked", "an edge is let go when it is read" },
    [COHERENCY_BUG_EDGE_READ_EARLY] = {
        "edge-read-early", "an edge is read before its turn" },
    [COHERENCY_BUG_STALE_EDGE] = {
        "stale-edge", "the last edge is not read" },
};

void coherency_set_bug(enum coherency_bug bug)
{
    coherency_bug = bug;
}

const char *coherency_bug_name(enum coherency_bug bug)
{
    return bugs[bug].name;
}

const char *coherency_bug_sentence(enum coherency_bug bug)
{
    return bugs[bug].sentence;
}

enum coherency_bug coherency_find_bug(const char *name)
{
    enum coherency_bug bug = COHERENCY_BUG_NONE;

    while (bug < COHERENCY_BUG_COUNT && strcmp(bugs[bug].name, name) != 0)
        bug++;
    return bug;
}
