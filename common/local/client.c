/* SPDX-License-Identifier: MIT
 * A connection to the stand-in: opening, calling, faults. */
#include "common/local/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/host/packet.h"
#include "common/host/socket.h"

int local_open(const char *dir, struct local **out)
{
    struct local *local = calloc(1, sizeof *local);
    char path[128];
    int error = -ENOMEM;

    if (!local)
        return error;
    local->socket = local->epoll = -1;
    local->ports = calloc(LOCAL_MAX_PORTS, sizeof *local->ports);
    if (!local->ports)
        goto close_half;
    error = -ENAMETOOLONG;
    if (snprintf(path, sizeof path, "%s/hypervisor", dir) >=
        (int)sizeof path)
        goto close_half;
    local->epoll = epoll_create1(EPOLL_CLOEXEC);
    error = -errno;
    if (local->epoll < 0)
        goto close_half;
    local->socket = error = socket_connect(path, SOCK_SEQPACKET);
    if (error < 0)
        goto close_half;
    *out = local;
    return 0;
close_half:
    local_close(local);
    return error;
}

void local_close(struct local *local)
{
    if (!local)
        return;
    local_grants_free(local);
    local_ports_free(local);
    if (local->socket >= 0)
        close(local->socket);
    local_guest_free(local);
    if (local->epoll >= 0)
        close(local->epoll);
    free(local);
}

int local_call(struct local *local, enum local_op op, uint32_t domid,
               uint32_t value, int *fds, unsigned nr_fds,
               struct local_reply *reply)
{
    const struct local_request request = { op, domid, value };
    unsigned got;
    int error;

    local->held.system_calls += 2;
    error = packet_send(local->socket, &request, sizeof request, NULL, 0);
    if (!error)
        error = packet_receive(local->socket, reply, sizeof *reply, fds,
                               nr_fds, &got);
    if (error)
        return error;
    if (reply->result >= 0 && got == nr_fds)
        return reply->result;
    while (got > 0)
        close(fds[--got]);
    return reply->result < 0 ? reply->result : -EMFILE; /* no room here */
}

int local_domain_state(struct local *local, uint32_t domid)
{
    struct local_reply reply;

    return local_call(local, LOCAL_OP_STATE, domid, 0, NULL, 0, &reply);
}

int local_domain_is_alive(struct local *local, uint32_t domid)
{
    int state = local_domain_state(local, domid);

    return state < 0 ? state : state != LOCAL_DOMAIN_GONE;
}

int local_domain_suspend(struct local *local, uint32_t domid)
{
    struct local_reply reply;

    return local_call(local, LOCAL_OP_SUSPEND, domid, 0, NULL, 0, &reply);
}

int local_domain_resume(struct local *local, uint32_t domid)
{
    struct local_reply reply;

    return local_call(local, LOCAL_OP_RESUME, domid, 0, NULL, 0, &reply);
}

void local_get_held(const struct local *local, struct local_held *held)
{
    *held = local->held;
}

void local_set_fault(struct local *local, enum local_fault fault, unsigned nth,
                     int error)
{
    local->faults[fault].countdown = error ? nth : 0;
    local->faults[fault].error = error;
}

int local_take_fault(struct local *local, enum local_fault fault)
{
    if (local->faults[fault].countdown == 0 ||
        --local->faults[fault].countdown > 0)
        return 0;
    return local->faults[fault].error;
}

int local_store_path(const char *dir, uint32_t domid, char *path,
                     unsigned bytes)
{
    int length = domid == 0
        ? snprintf(path, bytes, "%s/xenstored", dir)
        : snprintf(path, bytes, "%s/domain-%u/xenstored", dir, domid);

    return length < 0 || (unsigned)length >= bytes ? -ENAMETOOLONG : 0;
}
