/* SPDX-License-Identifier: MIT
 * Unix sockets by path. */
#include "common/host/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static int set_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return 0;
}

int socket_listen(const char *path, int type)
{
    struct sockaddr_un address;
    int fd, error = set_address(&address, path);

    if (error)
        return error;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    unlink(path);
    fchmod(fd, 0600); /* before it has a name, so that there is no gap */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int socket_connect(const char *path, int type)
{
    struct sockaddr_un address;
    int fd, error = set_address(&address, path);

    if (error)
        return error;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}
