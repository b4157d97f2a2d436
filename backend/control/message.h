/* SPDX-License-Identifier: MIT
 * What the supervisor and a worker say to each other: fixed binary messages
 * (host byte order; both ends are one build) over a SOCK_SEQPACKET socket,
 * sent with packet_send(). No string that a guest wrote ever goes this way.
 *
 * Worker's life: the supervisor starts `vbdd-disk --socket FD ...` with a
 * listening socket and connects; the worker opens and claims its target and
 * says READY (claim descriptors passed along, if there are any) or FAILED with
 * a sentence, and exits. Then each request of the supervisor (upper half) is
 * answered by one reply with the same tag. A worker ends after DETACH or HOLD has been answered, and when its supervisor
 * has gone as if it had been told to HOLD: the next vbdd starts another one,
 * which goes on with the same rings (hold.h). */
#ifndef VBDD_CONTROL_MESSAGE_H
#define VBDD_CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/blkif/limits.h"

enum message_type {
    /* supervisor -> worker */
    MESSAGE_CONNECT = 1, /* a vbd's ring is there: map, bind, serve. Its hold
                            record's descriptor comes along, or none does */
    MESSAGE_EVENTS,      /* before it, on Xen: message.domid's event channels
                            can be bound through the descriptor that comes
                            along (platform_event_join()) */
    MESSAGE_DISCONNECT,  /* drain, unmap, unbind */
    MESSAGE_STATS,
    MESSAGE_DETACH,      /* drain, flush, drop cache, exit */
    MESSAGE_RESIZE,      /* look at the target's size again; the reply carries
                            message_ready, or says why nothing has changed
                            (smaller: -EINVAL; C14) */
    MESSAGE_PAUSE,       /* a vbd's domain is suspended: take nothing more,
                            drain, flush; answered when all is durable, or
                            with an error that says what is not: paused in
                            either case. A vbd that is paused already: at
                            once */
    MESSAGE_RESUME,      /* the suspend was cancelled: go on */
    MESSAGE_VBD_STATS,   /* the reply carries message_vbd_stats */
    MESSAGE_LOG_LEVEL,   /* message.log_level */
    MESSAGE_NBD_STATS,   /* the reply carries message_nbd_stats */
    MESSAGE_XENTOP,      /* a file comes along: count the vbd's requests in it
                            (xentop.h) */
    MESSAGE_HOLD,        /* vbdd stops: take nothing more of any vbd, drain,
                            write the hold records; and then as DETACH */
    /* worker -> supervisor */
    MESSAGE_READY = 64,  /* once: struct message_ready */
    MESSAGE_FAILED,      /* once: could not attach; text says why */
    MESSAGE_REPLY,       /* to any of the above: error, and what was asked */
    MESSAGE_BROKEN,      /* a vbd's ring broke the protocol; text says how */
    MESSAGE_FAIL_STOP,   /* C8; text says why */
    MESSAGE_NBD_EVENT,   /* message_nbd_event; text is a sentence for the log */
};

enum { MESSAGE_TEXT_BYTES = 256, MESSAGE_LATENCY_BUCKETS = 40,
       MESSAGE_NBD_CLIENTS = 16 };

/* How data gets from and to a guest's pages. */
enum message_grants {
    MESSAGE_GRANTS_COPY,       /* one batched copy by the hypervisor */
    MESSAGE_GRANTS_MAP,        /* mapped for each request, and unmapped */
    MESSAGE_GRANTS_PERSISTENT, /* kept mapped; only if the front end has said
                                  feature-persistent */
};
enum { MESSAGE_GRANTS_COUNT = 3 };

struct message_ring {
    uint32_t event_port;
    uint32_t nr_pages;
    uint32_t grefs[BLKIF_MAX_RING_PAGES];
};

/* Where the rings of a vbd stand that nobody serves. */
enum { MESSAGE_STANDING_SEAL = 0x646c6568 };
struct message_standing {
    uint32_t seal; /* MESSAGE_STANDING_SEAL. Else nothing is known; in
                      CONNECT the rest is 0 then */
    uint32_t is_fail_stopped, is_write_through; /* C8 */
    uint32_t was_handed_over;                   /* C11 */
    /* Requests up to req_cons were taken, and as many answered as rsp_prod
     * says. The difference was, and will be, held in fail-stop (C8). */
    struct {
        uint32_t req_cons, rsp_prod;
    } queues[BLKIF_MAX_QUEUES];
};

struct message_connect {
    uint32_t domid;
    uint32_t abi;         /* enum blkif_abi */
    uint32_t read_only;
    /* As advertised to this front end; what the engine cannot do any more is
     * honoured all the same (C14: a discard is answered OK). */
    uint32_t has_discard, has_secure;
    uint32_t sector_bytes;          /* 512 or 4096 */
    uint32_t max_indirect_segments; /* 0: none */
    uint32_t grants;                /* enum message_grants */
    uint32_t max_persistent_grants; /* pages of this vbd kept mapped */
    uint32_t nr_queues;
    struct message_ring queues[BLKIF_MAX_QUEUES];
    struct message_standing standing; /* sealed: go on from there */
};

struct message_ready {
    uint64_t size_bytes;
    uint32_t sector_bytes, physical_bytes; /* for XenStore */
    uint32_t can_discard, discard_granularity_bytes, discard_alignment_bytes;
    uint32_t can_secure, read_only;
    uint32_t nr_claims; /* descriptors that came along */
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
    uint64_t latency_us, flush_latency_us; /* sums of the same */
    uint32_t in_flight, vbds, is_fail_stopped;
    uint64_t bytes_in_flight, budget_bytes;
};

/* One vbd: what was agreed on, and its queues. */
struct message_vbd_stats {
    uint32_t abi, grants, sector_bytes, max_indirect_segments, nr_queues;
    uint32_t has_discard, has_secure, is_write_through, is_paused;
    uint32_t persistent_grants, max_persistent_grants; /* mapped now */
    uint64_t persistent_hits, persistent_misses, persistent_evictions;
    struct message_queue_stats {
        uint32_t nr_pages, slots, in_flight;
        uint64_t requests, indirect_requests, responses;
        uint64_t take_batches, answer_batches, notifies_sent;
    } queues[BLKIF_MAX_QUEUES];
};

/* What becomes of the emulated path (C11). */
enum message_nbd_kind {
    MESSAGE_NBD_CONNECTED, /* negotiated: requests may come */
    MESSAGE_NBD_HANDOVER,  /* FLUSH, then DISC, and no write between them:
                              everything is complete and durable */
    MESSAGE_NBD_LEFT,      /* DISC without such a FLUSH */
    MESSAGE_NBD_LOST,      /* EOF, an error, or thrown out: changes no policy */
    MESSAGE_NBD_REFUSED,   /* by emulated-after-handover = refuse */
};

struct message_nbd_event {
    uint32_t kind;   /* enum message_nbd_kind */
    uint32_t client; /* its number, never used twice by a worker */
    int32_t pid;     /* of the peer, SO_PEERCRED; 0: not known */
};

struct message_nbd_stats {
    uint64_t requests[8]; /* by NBD command */
    uint64_t errors[8];   /* answered with an error */
    uint64_t bytes_read, bytes_written;
    uint64_t accepted, handovers, lost, refused;
    uint32_t was_handed_over; /* and no front end has closed since */
    uint32_t nr_clients;
    struct message_nbd_client {
        uint32_t number;
        int32_t pid;
        uint32_t is_negotiating, is_read_only, in_flight;
        uint64_t requests, bytes_read, bytes_written;
    } clients[MESSAGE_NBD_CLIENTS];
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
        struct message_vbd_stats vbd_stats;
        struct message_nbd_stats nbd_stats;
        struct message_nbd_event nbd_event;
        uint32_t domid;     /* EVENTS */
        uint32_t log_level; /* enum log_level of common/host/log.h */
    };
    char text[MESSAGE_TEXT_BYTES]; /* ours, never a guest's; 0-terminated */
};

#endif
