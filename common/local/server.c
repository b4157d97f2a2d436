/* SPDX-License-Identifier: MIT
 * vbdd-local: Xen and xenstored for a machine that has neither. */
#include "config.h"

#include "common/local/server.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/host/log.h"
#include "common/local/store/store.h"

/* "/domain-32751/xenstored" must fit into a socket's address behind it. */
enum { SERVER_DIR_MAX = 80 };

static const char usage[] =
    "Usage: vbdd-local [OPTION]... DIR\n"
    "Stands in for Xen and xenstored on a machine without them: listens on\n"
    "DIR/hypervisor and DIR/xenstored, says \"ready\" when it does so, and\n"
    "stays until SIGTERM.\n"
    "\n"
    "  --suspend DOMID  have the vbdd-local that serves DIR mark a domain as\n"
    "                   suspended, as Xen does before it is saved, and end\n"
    "  --resume DOMID   take that back\n"
    "  -h, --help       show this\n"
    "  -V, --version    show the version\n";

/* What to do instead of serving. */
struct order {
    int (*carry_out)(struct local *local, uint32_t domid);
    const char *verb, *domid;
};

static void end(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)signal;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

/* Makes DIR and holds it: two servers would take each other's sockets. */
static int claim_dir(const char *dir)
{
    int fd;

    if (strlen(dir) > SERVER_DIR_MAX) {
        log_error("the path of DIR has %zu characters, at most %d fit",
                  strlen(dir), SERVER_DIR_MAX);
        return -ENAMETOOLONG;
    }
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        log_error("cannot make %s: %s", dir, strerror(errno));
        return -errno;
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int error = -errno;

        log_error("cannot serve %s: %s", dir,
                  error == -EWOULDBLOCK ? "another vbdd-local does"
                                        : strerror(errno));
        if (fd >= 0)
            close(fd);
        return error;
    }
    return fd;
}

/* Every port and every client is a descriptor. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool is_domain_alive(void *context, uint32_t domid)
{
    return domain_find(context, domid) != NULL;
}

static int serve(struct server *server)
{
    struct domain *domain0 = NULL;
    int error;

    server->store = store_new(server->loop, is_domain_alive, server);
    error = domain_create(server, 0, 0, &domain0);
    if (!error)
        error = hypercall_listen(server);
    if (error) {
        log_error("cannot listen in %s: %s", server->dir, strerror(-error));
    } else {
        puts("ready");
        fflush(stdout);
        ev_run(server->loop, 0);
    }
    hypercall_close(server);
    if (domain0)
        domain_destroy(server, domain0);
    store_free(server->store);
    return error;
}

/* Returns the exit status. */
static int give_order(const char *dir, const struct order *order)
{
    unsigned long domid;
    struct local *local;
    char *end_of_number;
    int error;

    errno = 0;
    domid = strtoul(order->domid, &end_of_number, 10);
    if (errno || *end_of_number || domid == 0 || domid > LOCAL_LAST_DOMID) {
        log_error("domain '%s': expected a number from 1 to %d", order->domid,
                  LOCAL_LAST_DOMID);
        return 2;
    }
    error = local_open(dir, &local);
    if (error) {
        log_error("no vbdd-local serves %s: %s", dir, strerror(-error));
        return 1;
    }
    error = order->carry_out(local, (uint32_t)domid);
    local_close(local);
    if (error)
        log_error("domain %lu cannot be %s: %s", domid, order->verb,
                  error == -ESRCH ? "there is none"
                  : error == -EINVAL ? "it is not running, or not suspended"
                                     : strerror(-error));
    return error ? 1 : 0;
}

/* The exit status, or -1: go on. */
static int parse_options(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {
        { "suspend", required_argument, NULL, 's' },
        { "resume", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (option) {
        case 's':
            *order = (struct order){ local_domain_suspend, "suspended",
                                     optarg };
            break;
        case 'r':
            *order = (struct order){ local_domain_resume, "resumed", optarg };
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'V':
            puts("vbdd-local " PACKAGE_VERSION);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind == 1)
        return -1;
    fputs(usage, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGTERM, SIGINT };
    struct server server = { .loop = ev_default_loop(0) };
    struct order order = { .carry_out = NULL };
    int dir_fd, error, status = parse_options(argc, argv, &order);

    log_init("vbdd-local", LOG_LEVEL_INFO);
    if (status >= 0)
        return status;
    server.dir = argv[optind];
    if (order.carry_out)
        return give_order(server.dir, &order);
    dir_fd = claim_dir(server.dir);
    if (dir_fd < 0)
        return 1;
    allow_many_descriptors();
    for (unsigned i = 0; i < 2; i++) {
        ev_signal_init(&server.ends[i], end, signals[i]);
        ev_signal_start(server.loop, &server.ends[i]);
    }
    error = serve(&server);
    ev_loop_destroy(server.loop);
    close(dir_fd);
    return error ? 1 : 0;
}
