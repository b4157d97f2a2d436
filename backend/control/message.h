/* SPDX-License-Identifier: MIT
 * What the supervisor and a worker say to each other: fixed binary messages
 * (host byte order; both ends are one build) over a SOCK_SEQPACKET socket,
 * sent with packet_send(). No string that a guest wrote ever goes this way.
 *
 * Worker's life: the supervisor starts `vbdd-disk --socket FD ...` with a
 * listening socket and connects; the worker opens and claims its target and
 * says READY (claim descriptor and event-channel descriptor passed along, if
 * there are any) or FAILED with a sentence, and exits. Then each request of
 * the supervisor (upper half) is answered by one reply with the same tag. A
 * worker ends after DETACH has been answered, or, since nobody can take it
 * over yet, in the same orderly way when its supervisor has gone. */
#ifndef VBDD_CONTROL_MESSAGE_H
#define VBDD_CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/blkif/limits.h"

enum message_type {
    /* supervisor -> worker */
    MESSAGE_CONNECT = 1, /* a vbd's ring is there: map, bind, serve */
    MESSAGE_DISCONNECT,  /* drain, unmap, unbind */
    MESSAGE_STATS,
    MESSAGE_DETACH,      /* drain, flush, drop cache, exit */
    /* worker -> supervisor */
    MESSAGE_READY = 64,  /* once: struct message_ready */
    MESSAGE_FAILED,      /* once: could not attach; text says why */
    MESSAGE_REPLY,       /* to any of the above: error, and stats if asked */
    MESSAGE_BROKEN,      /* a vbd's ring broke the protocol; text says how */
    MESSAGE_FAIL_STOP,   /* C8; text says why */
};

enum { MESSAGE_TEXT_BYTES = 256, MESSAGE_LATENCY_BUCKETS = 40 };

struct message_connect {
    uint32_t domid;
    uint32_t abi;         /* enum blkif_abi */
    uint32_t read_only;
    uint32_t has_discard, has_secure; /* as advertised to this front end */
    uint32_t nr_queues;
    struct {
        uint32_t event_port;
        uint32_t nr_pages;
        uint32_t grefs[BLKIF_MAX_RING_PAGES];
    } queues[BLKIF_MAX_QUEUES];
};

struct message_ready {
    uint64_t size_bytes;
    uint32_t sector_bytes, physical_bytes; /* for XenStore */
    uint32_t can_discard, discard_granularity_bytes, discard_alignment_bytes;
    uint32_t can_secure, read_only;
    uint32_t has_claim, has_event; /* which descriptors came along, in order */
    char claim[64];  /* target_key() of what was opened */
    char engine[256]; /* the specification in use */
};

/* Latency: bucket i counts answers that took [2^(i/2), 2^((i+1)/2)) us. */
struct message_stats {
    uint64_t requests[6];    /* by blkif operation */
    uint64_t errors[6];      /* answered ERROR */
    uint64_t unsupported;    /* answered EOPNOTSUPP */
    uint64_t bytes_read, bytes_written;
    uint64_t engine_flushes, flush_failures, waited, merged;
    uint64_t notifies_sent, events_taken, responses;
    uint64_t take_batches, answer_batches; /* notifies <= answer_batches */
    uint64_t system_calls, wakeups;
    uint64_t latency[MESSAGE_LATENCY_BUCKETS]; /* READ and WRITE */
    uint64_t flush_latency[MESSAGE_LATENCY_BUCKETS];
    uint32_t in_flight, vbds, is_fail_stopped;
    uint64_t bytes_in_flight, budget_bytes;
};

struct message {
    uint32_t type; /* enum message_type */
    uint32_t tag;  /* chosen by the asker, echoed */
    uint32_t vbd;  /* the supervisor's number of the vbd */
    int32_t error; /* 0 or -errno */
    union {
        struct message_connect connect;
        struct message_ready ready;
        struct message_stats stats;
    };
    char text[MESSAGE_TEXT_BYTES]; /* ours, never a guest's; 0-terminated */
};

#endif
