/* SPDX-License-Identifier: MIT
 * The other end of a transfer: a file, a device, a pipe. */
#include "tools/vbdfront/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open(const char *name, bool writes)
{
    int fd;

    if (strcmp(name, "-") == 0)
        return writes ? STDOUT_FILENO : STDIN_FILENO;
    fd = writes ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        log_error("%s cannot be opened: %s", name, strerror(errno));
    return fd;
}

bool file_close(int fd, const char *name)
{
    if (fd == STDIN_FILENO || close(fd) == 0)
        return true;
    log_error("%s may be incomplete: %s", name, strerror(errno));
    return false;
}

uint64_t file_size(int fd)
{
    struct stat status;
    off_t here, end;

    if (fstat(fd, &status) < 0 ||
        !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
        return UINT64_MAX;
    here = lseek(fd, 0, SEEK_CUR);
    end = lseek(fd, 0, SEEK_END);
    if (here < 0 || end < here || lseek(fd, here, SEEK_SET) < 0)
        return UINT64_MAX;
    return (uint64_t)(end - here);
}

int64_t file_read(int fd, const char *name, void *data, uint64_t bytes)
{
    uint64_t done = 0;

    while (done < bytes) {
        ssize_t part = read(fd, (char *)data + done, bytes - done);

        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0) {
            log_error("%s cannot be read: %s", name, strerror(errno));
            return -1;
        }
        if (part == 0)
            break;
        done += (uint64_t)part;
    }
    return (int64_t)done;
}

bool file_write(int fd, const char *name, const void *data, uint64_t bytes)
{
    uint64_t done = 0;

    while (done < bytes) {
        ssize_t part = write(fd, (const char *)data + done, bytes - done);

        if (part < 0 && errno != EINTR) {
            log_error("%s cannot be written: %s", name, strerror(errno));
            return false;
        }
        if (part > 0)
            done += (uint64_t)part;
    }
    return true;
}

/* --- to the disk -------------------------------------------------------- */

struct source {
    struct cli *cli;
    int fd;
    const char *name;
};

/* What cannot be known of a pipe is found on the way. */
static bool check_fits(const struct source *source, uint64_t sector)
{
    uint64_t bytes = file_size(source->fd);

    if (bytes == UINT64_MAX)
        return true;
    if (bytes % source->cli->info->sector_bytes != 0) {
        log_error("%s has %llu bytes, expected a multiple of %u",
                  source->name, (unsigned long long)bytes,
                  source->cli->info->sector_bytes);
        return false;
    }
    return disk_check_range(source->cli, sector, bytes / SECTOR_BYTES);
}

static int64_t give(void *context, uint64_t sector, uint8_t *data,
                    uint32_t max_bytes)
{
    const struct source *source = context;
    int64_t bytes = file_read(source->fd, source->name, data, max_bytes);

    if (bytes > 0 && bytes % source->cli->info->sector_bytes != 0) {
        log_error("%s ends in the middle of a sector: nothing from sector "
                  "%llu on has been written", source->name,
                  (unsigned long long)sector);
        return -1;
    }
    return bytes;
}

static bool check_at_end(const struct source *source)
{
    char byte;

    if (file_read(source->fd, source->name, &byte, 1) <= 0)
        return true;
    log_error("%s goes on past the end of the disk: what fits has been "
              "written", source->name);
    return false;
}

int file_to_disk(struct cli *cli, int fd, const char *name, uint64_t sector,
                 unsigned flags, const char *title)
{
    struct source source = { cli, fd, name };
    struct stream stream = { .sector = sector, .flags = flags, .title = title,
                             .give = give, .context = &source };
    uint64_t bytes = file_size(fd);
    int status;

    if (!disk_check_range(cli, sector, 0) || !check_fits(&source, sector))
        return EXIT_FAILED;
    stream.nr_sectors = bytes == UINT64_MAX ? cli->info->nr_sectors - sector
                                            : bytes / SECTOR_BYTES;
    status = stream_to_disk(cli, &stream);
    if (status == EXIT_OK && stream.done_sectors == stream.nr_sectors &&
        !check_at_end(&source))
        status = EXIT_FAILED;
    return status;
}

/* --- from the disk ------------------------------------------------------ */

static int take(void *context, uint64_t sector, const uint8_t *data,
                uint32_t nr_sectors)
{
    const struct source *to = context;

    (void)sector;
    return file_write(to->fd, to->name, data,
                      (uint64_t)nr_sectors * SECTOR_BYTES) ? EXIT_OK
                                                           : EXIT_FAILED;
}

int file_from_disk(struct cli *cli, uint64_t sector, uint64_t nr_sectors,
                   int fd, const char *name, const char *title)
{
    struct source to = { cli, fd, name };
    struct stream stream = { .sector = sector, .nr_sectors = nr_sectors,
                             .title = title, .take = take, .context = &to };

    if (!disk_check_range(cli, sector, nr_sectors))
        return EXIT_FAILED;
    return stream_from_disk(cli, &stream);
}
