/* SPDX-License-Identifier: MIT
 * Claim: many requests in flight cost few system calls, because what the
 * socket holds is taken with one, and what is ready is answered with one; a
 * single request costs no more than its bytes and its waits.
 * Source: loop.c; nbd/receive.c, nbd/reply.c.
 * Mechanism: a real vbdd-disk and its own count of system calls; the client
 * sends so many requests with one call, and reads all answers. */
#include "tests/unit/nbd-rig.h"

enum { BLOCK = 4096, MOST = 32, REQUEST = sizeof(struct nbd_wire_request) };

static struct nbd_client client;
static uint8_t requests[MOST * (REQUEST + BLOCK)], data[BLOCK];
static uint64_t offsets[MOST]; /* by cookie */

/* So many requests with one system call. */
static void send_requests(unsigned nr, uint16_t type, unsigned round)
{
    uint32_t step = REQUEST + (type == NBD_WIRE_CMD_WRITE ? BLOCK : 0);

    for (unsigned i = 0; i < nr; i++) {
        offsets[i] = (uint64_t)(round * nr + i) % 2000 * BLOCK;
        const struct nbd_wire_request request = {
            .magic = htobe32(NBD_WIRE_REQUEST_MAGIC), .type = htobe16(type),
            .offset = htobe64(offsets[i]),
            .cookie = htobe64(i), .length = htobe32(BLOCK),
        };
        memcpy(requests + i * step, &request, sizeof request);
    }
    CHECK(nbd_client_write(&client, requests, nr * step));
}

static void take_answers(unsigned nr)
{
    struct nbd_client_answer answer = { 0 };
    struct nbd_client_reply reply;

    for (unsigned i = 0; i < nr; i++) {
        REQUIRE(nbd_client_next(&client, &reply) && reply.cookie < nr);
        nbd_client_take(&client, &reply, offsets[reply.cookie], data, BLOCK,
                        &answer);
        CHECK_EQ(answer.error, 0);
    }
}

/* System calls of the worker for a hundred requests. */
static unsigned cost(unsigned depth, uint16_t type)
{
    unsigned rounds = (unsigned)tap_scaled(64000) / depth;
    uint64_t before = rig_stats(&rig).system_calls, begin_us = host_now_us();
    uint64_t calls;

    for (unsigned i = 0; i < rounds; i++) {
        send_requests(depth, type, i);
        take_answers(depth);
    }
    calls = rig_stats(&rig).system_calls - before;
    NOTE("%s, %u in flight: %.2f system calls and %.1f us a request",
         type == NBD_WIRE_CMD_READ ? "READ" : "WRITE", depth,
         (double)calls / (rounds * depth),
         (double)(host_now_us() - begin_us) / (rounds * depth));
    return (unsigned)(calls * 100 / (rounds * depth));
}

/* A payload that nobody wants is read past in large steps. */
static void check_refused_payload(void)
{
    static uint8_t payload[8 << 20];
    uint64_t calls;

    nbd_rig_open("mem:size=16M", NULL);
    nbd_client_open(&client, nbd_path, true);
    calls = rig_stats(&rig).system_calls;
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE, 0, 16 << 20,
                           sizeof payload, payload), NBD_WIRE_ENOSPC);
    calls = rig_stats(&rig).system_calls - calls;
    NOTE("%llu system calls to read past 8 MiB", (unsigned long long)calls);
    CHECK(calls < 3000);
    CHECK(nbd_client_close(&client));
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), 0);
}

/* In hundredths of a system call a request: alone, and with 32 in flight. */
static void measure(unsigned alone, unsigned most)
{
    nbd_client_open(&client, nbd_path, true);
    CHECK(cost(1, NBD_WIRE_CMD_READ) <= alone);
    CHECK(cost(1, NBD_WIRE_CMD_WRITE) <= alone);
    CHECK(cost(MOST, NBD_WIRE_CMD_READ) <= most);
    CHECK(cost(MOST, NBD_WIRE_CMD_WRITE) <= most);
    CHECK(nbd_client_close(&client));
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_memory(void)
{
    nbd_rig_open("mem:size=16M", NULL);
    measure(330, 40);
}

static void check_file(void)
{
    nbd_rig_open_file("aio", 16 << 20);
    measure(800, 200);
}

int main(void)
{
    nbd_rig_files();
    TEST("requests to memory cost few system calls", check_memory);
    TEST("requests to a file cost few system calls", check_file);
    TEST("a refused payload costs few system calls", check_refused_payload);
    nbd_rig_remove_files();
    return tap_done();
}
