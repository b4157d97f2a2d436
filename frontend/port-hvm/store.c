/* SPDX-License-Identifier: MIT
 * XenStore over its ring: one request at a time, and watch events whenever they
 * come. Nothing that stands in the ring is believed: an end that breaks the
 * protocol is not asked again. */
#include "frontend/port-hvm/private.h"

#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>

enum {
    PATIENCE_US = 1000000, /* then the ring is looked at once more */
    ERROR_BYTES = 16,      /* longer than any error's name */
};
static const char token[] = "port";

struct piece {
    const void *data;
    size_t bytes;
};

static volatile struct xenstore_domain_interface *ring;
static evtchn_port_t port;
static bool is_broken;
static uint32_t last_id;
/* Watch events: while a request waits for its answer they are queued. */
static uint64_t nr_taken, nr_queued;

int hvm_store_start(void)
{
    uint64_t frame = hvm_param_get(HVM_PARAM_STORE_PFN);

    ring = (void *)((uintptr_t)frame * HVM_PAGE_BYTES);
    port = (evtchn_port_t)hvm_param_get(HVM_PARAM_STORE_EVTCHN);
    is_broken = false;
    if (!ring || !port)
        return -XEN_ENODEV;
    hvm_event_adopt(port);
    return 0;
}

static int give_up(const char *sentence)
{
    hvm_log(sentence);
    is_broken = true;
    return -XEN_EIO;
}

/* --- the ring ------------------------------------------------------------ */

static uint32_t least(uint32_t a, size_t b)
{
    return a < b ? a : (uint32_t)b;
}

/* Until the other end's index has moved, most likely. */
static void sleep_if(volatile uint32_t *index, uint32_t seen)
{
    hvm_event_take(port);
    if (__atomic_load_n(index, __ATOMIC_SEQ_CST) == seen)
        hvm_event_sleep(port, PATIENCE_US);
}

static int send(struct piece piece)
{
    const char *data = piece.data;

    while (piece.bytes > 0) {
        uint32_t consumed = __atomic_load_n(&ring->req_cons,
                                            __ATOMIC_ACQUIRE);
        uint32_t produced = ring->req_prod, used = produced - consumed;
        uint32_t nr = least(XENSTORE_RING_SIZE - used, piece.bytes);

        if (used > XENSTORE_RING_SIZE)
            return give_up("XenStore has read more than there was");
        if (nr == 0) {
            sleep_if(&ring->req_cons, consumed);
            continue;
        }
        piece.bytes -= nr;
        for (; nr > 0; nr--)
            ring->req[MASK_XENSTORE_IDX(produced++)] = *data++;
        __atomic_store_n(&ring->req_prod, produced, __ATOMIC_RELEASE);
        hvm_event_notify(port);
    }
    return 0;
}

/* to: NULL for what nobody wants. */
static int receive(void *to, size_t bytes)
{
    char *data = to;

    while (bytes > 0) {
        uint32_t produced = __atomic_load_n(&ring->rsp_prod,
                                            __ATOMIC_ACQUIRE);
        uint32_t consumed = ring->rsp_cons, used = produced - consumed;
        uint32_t nr = least(used, bytes);

        if (used > XENSTORE_RING_SIZE)
            return give_up("XenStore has written more than there is room");
        if (nr == 0) {
            sleep_if(&ring->rsp_prod, produced);
            continue;
        }
        bytes -= nr;
        for (; nr > 0; nr--, consumed++)
            if (data)
                *data++ = ring->rsp[MASK_XENSTORE_IDX(consumed)];
        __atomic_store_n(&ring->rsp_cons, consumed, __ATOMIC_RELEASE);
        hvm_event_notify(port);
    }
    return 0;
}

/* --- messages ------------------------------------------------------------ */

static const struct {
    const char *name;
    int error;
} errors[] = {
    { "EINVAL", XEN_EINVAL }, { "EACCES", XEN_EACCES },
    { "EEXIST", XEN_EEXIST }, { "EISDIR", XEN_EISDIR },
    { "ENOENT", XEN_ENOENT }, { "ENOMEM", XEN_ENOMEM },
    { "ENOSPC", XEN_ENOSPC }, { "ENOTEMPTY", XEN_ENOTEMPTY },
    { "ENOSYS", XEN_ENOSYS }, { "EROFS", XEN_EROFS },
    { "EBUSY", XEN_EBUSY }, { "EAGAIN", XEN_EAGAIN },
    { "E2BIG", XEN_E2BIG }, { "EPERM", XEN_EPERM },
};

static int error_of(const char *name)
{
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
        if (__builtin_strcmp(errors[i].name, name) == 0)
            return -errors[i].error;
    return -XEN_EIO;
}

/* The next message that is not a watch event: its header. */
static int receive_answer(struct xsd_sockmsg *answer)
{
    for (;;) {
        int error = receive(answer, sizeof *answer);

        if (error)
            return error;
        if (answer->len > XENSTORE_PAYLOAD_MAX)
            return give_up("XenStore sends more than a message may have");
        if (answer->type != XS_WATCH_EVENT)
            return 0;
        error = receive(NULL, answer->len);
        if (error)
            return error;
        nr_queued++;
    }
}

static int receive_error(uint32_t bytes)
{
    char name[ERROR_BYTES] = "";
    uint32_t nr = least(bytes, sizeof name - 1);
    int error = receive(name, nr);

    if (!error)
        error = receive(NULL, bytes - nr);
    return error ? error : error_of(name);
}

/* Its length, with a 0 behind it when there is room for both. */
static int receive_value(uint32_t length, char *value, size_t bytes)
{
    bool fits = length < bytes;
    int error = receive(fits ? value : NULL, length);

    if (error)
        return error;
    if (!fits)
        return -XEN_E2BIG;
    value[length] = '\0';
    return (int)length;
}

static int send_request(uint32_t type, const struct piece *pieces,
                        unsigned nr)
{
    struct xsd_sockmsg request = { .type = type, .req_id = ++last_id };
    size_t bytes = 0;
    int error;

    for (unsigned i = 0; i < nr; i++)
        bytes += pieces[i].bytes;
    if (bytes > XENSTORE_PAYLOAD_MAX)
        return -XEN_E2BIG;
    request.len = (uint32_t)bytes;
    error = send((struct piece){ &request, sizeof request });
    for (unsigned i = 0; i < nr && !error; i++)
        error = send(pieces[i]);
    return error;
}

/* value: NULL when the answer says nothing. */
static int ask(uint32_t type, const struct piece *pieces, unsigned nr,
               char *value, size_t bytes)
{
    struct xsd_sockmsg answer;
    int error = is_broken ? -XEN_EIO : send_request(type, pieces, nr);

    if (!error)
        error = receive_answer(&answer);
    if (error)
        return error;
    if (answer.req_id != last_id ||
        (answer.type != type && answer.type != XS_ERROR))
        return give_up("XenStore answers what was not asked");
    if (answer.type == XS_ERROR)
        return receive_error(answer.len);
    return value ? receive_value(answer.len, value, bytes)
                 : receive(NULL, answer.len);
}

/* --- requests ------------------------------------------------------------ */

static struct piece text(const char *string, bool with_end)
{
    return (struct piece){ string, __builtin_strlen(string) + with_end };
}

int hvm_store_read(const char *path, char *value, size_t bytes)
{
    const struct piece pieces[] = { text(path, true) };

    return ask(XS_READ, pieces, 1, value, bytes);
}

int hvm_store_list(const char *path, char *names, size_t bytes)
{
    const struct piece pieces[] = { text(path, true) };

    return ask(XS_DIRECTORY, pieces, 1, names, bytes);
}

int hvm_store_write(const char *path, const char *value)
{
    const struct piece pieces[] = { text(path, true), text(value, false) };

    return ask(XS_WRITE, pieces, 2, NULL, 0);
}

int hvm_store_remove(const char *path)
{
    const struct piece pieces[] = { text(path, true) };

    return ask(XS_RM, pieces, 1, NULL, 0);
}

int hvm_store_watch(const char *path, bool is_wanted)
{
    const struct piece pieces[] = { text(path, true), text(token, true) };

    return ask(is_wanted ? XS_WATCH : XS_UNWATCH, pieces, 2, NULL, 0);
}

/* --- watch events -------------------------------------------------------- */

/* One from the ring, where nothing else can be: all requests are answered. */
static void queue_event(void)
{
    struct xsd_sockmsg message;

    if (receive(&message, sizeof message) != 0)
        return;
    if (message.type != XS_WATCH_EVENT ||
        message.len > XENSTORE_PAYLOAD_MAX) {
        give_up("XenStore answers what was not asked");
        return;
    }
    if (receive(NULL, message.len) == 0)
        nr_queued++;
}

bool hvm_store_take_events(void)
{
    uint64_t before = nr_taken;

    hvm_event_take(port);
    while (!is_broken && __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) !=
                             ring->rsp_cons)
        queue_event();
    nr_taken += nr_queued;
    nr_queued = 0;
    return nr_taken != before;
}

uint64_t hvm_store_events(void)
{
    return nr_taken;
}
