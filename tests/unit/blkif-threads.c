/* SPDX-License-Identifier: MIT
 * Claim: two threads that do nothing but follow ring.h's rules (take until the
 * final check says sleep; notify when push says so) exchange every request and
 * response, whole and in order, and neither sleeps for ever. Mechanism: a real
 * front and back thread on one page, semaphores as event channels. Under
 * ThreadSanitizer this also shows that the indices carry the slots' contents
 * over. A lost wake-up ends in SIGALRM. */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

static uint64_t page[BLKIF_PAGE_BYTES / sizeof(uint64_t)];
static sem_t front_event, back_event;
static uint64_t total;

/* Sends event after event; the peer may have slept for any of them. */
static void wait_event(sem_t *event)
{
    while (sem_wait(event) != 0)
        ;
}

static void *back_thread(void *unused)
{
    struct back_ring ring;
    struct blkif_wire_request requests[8];
    uint64_t done = 0, wrong = 0;

    back_ring_init(&ring, page, 1, BLKIF_ABI_X86_32);
    while (done < total) {
        int nr = back_ring_take(&ring, requests, 8);

        for (int i = 0; i < nr; i++, done++) {
            wrong += requests[i].id != done ||
                     requests[i].sector != done * 3 ||
                     requests[i].segments[10].gref != (uint32_t)done;
            back_ring_put(&ring, requests[i].id, 1, 0);
        }
        if (nr > 0 && back_ring_push(&ring))
            sem_post(&front_event);
        if (nr <= 0 && !back_ring_final_check(&ring))
            wait_event(&back_event);
    }
    (void)unused;
    return wrong ? &page : NULL;
}

static uint64_t run_front(struct front_ring *ring)
{
    struct blkif_wire_request request = { .operation = 1, .nr_segments = 11 };
    struct blkif_wire_response responses[8];
    uint64_t sent = 0, done = 0, wrong = 0;

    while (done < total) {
        int nr;

        for (; sent < total && front_ring_free(ring); sent++) {
            request.id = sent;
            request.sector = sent * 3;
            request.segments[10].gref = (uint32_t)sent;
            front_ring_put(ring, &request);
        }
        if (front_ring_push(ring))
            sem_post(&back_event);
        nr = front_ring_take(ring, responses, 8);
        for (int i = 0; i < nr; i++, done++)
            wrong += responses[i].id != done;
        if (nr <= 0 && !front_ring_final_check(ring))
            wait_event(&front_event);
    }
    return wrong;
}

static void check_exchange(void)
{
    struct front_ring ring;
    pthread_t thread;
    void *back_wrong;

    total = tap_scaled(300000);
    front_ring_init(&ring, page, 1, BLKIF_ABI_X86_32);
    REQUIRE(sem_init(&front_event, 0, 0) == 0);
    REQUIRE(sem_init(&back_event, 0, 0) == 0);
    REQUIRE(pthread_create(&thread, NULL, back_thread, NULL) == 0);
    CHECK_EQ(run_front(&ring), 0);
    REQUIRE(pthread_join(thread, &back_wrong) == 0);
    CHECK(back_wrong == NULL);
}

int main(void)
{
    alarm(120);
    TEST("two threads exchange everything and neither sleeps for ever",
         check_exchange);
    return tap_done();
}
