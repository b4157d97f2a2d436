/* SPDX-License-Identifier: MIT
 * Claim: where standard error is the journal, and only there, a message is an
 * entry with fields for its domain, vbd, disk and target; nothing that a name
 * holds makes a field or a line of its own; what the journal does not take is
 * written as a line. Source: log.h, journal.h; systemd's native protocol.
 * Mechanism: a pipe is standard error, a datagram socket is the journal. */
#include "common/host/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/host/journal.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/vbdd-log-XXXXXX", path[64];
static int journal = -1, lines[2], real_stderr;
static char got[4096];

static const char *read_all(int fd)
{
    ssize_t length = read(fd, got, sizeof got - 1);

    got[length > 0 ? length : 0] = '\0';
    return got;
}

static const char *entry(void) { return read_all(journal); }
static const char *line(void) { return read_all(lines[0]); }

static void open_journal(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    strcpy(address.sun_path, path);
    journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    REQUIRE(bind(journal, (struct sockaddr *)&address, sizeof address) == 0);
}

static void close_journal(void)
{
    close(journal);
    unlink(path);
}

/* $JOURNAL_STREAM, with something added to the device's and inode's number. */
static void set_stream(unsigned device, unsigned inode, const char *end)
{
    struct stat status;
    char text[64];

    fstat(STDERR_FILENO, &status);
    snprintf(text, sizeof text, "%llu:%llu%s",
             (unsigned long long)status.st_dev + device,
             (unsigned long long)status.st_ino + inode, end);
    setenv("JOURNAL_STREAM", text, 1);
}

static void check_lines(void)
{
    unsetenv("JOURNAL_STREAM");
    log_init("host-log", LOG_LEVEL_INFO);
    log_error("5/xvda: %s", "broken");
    CHECK_STR(line(), "host-log: error: 5/xvda: broken\n");
    log_info("serving");
    CHECK_STR(line(), "host-log: serving\n");
    log_debug("not this");
    CHECK_STR(line(), "");
    log_warning("one\nline\033[31m of %s", "\x7f");
    CHECK_STR(line(), "host-log: warning: one?line?[31m of ?\n");
}

static void check_matching(void)
{
    unsetenv("JOURNAL_STREAM");
    CHECK(!journal_is_stderr());
    set_stream(0, 0, "");
    CHECK(journal_is_stderr());
    set_stream(0, 1, "");
    CHECK(!journal_is_stderr());
    set_stream(1, 0, "");
    CHECK(!journal_is_stderr());
    set_stream(0, 0, "x");
    CHECK(!journal_is_stderr());
    setenv("JOURNAL_STREAM", "", 1);
    CHECK(!journal_is_stderr());
}

static void start_journal(void)
{
    set_stream(0, 0, "");
    log_init("host-log", LOG_LEVEL_INFO);
    CHECK(journal_open(path)); /* instead of the system's */
}

static void check_entries(void)
{
    start_journal();
    log_error("5/xvda: its ring is %d", 7);
    CHECK_STR(entry(), "MESSAGE=5/xvda: its ring is 7\nPRIORITY=3\n"
                       "SYSLOG_IDENTIFIER=host-log\n"
                       "VBDD_DOMID=5\nVBDD_VDEV=xvda\n");
    log_info("disk 12: is ready");
    CHECK_STR(entry(), "MESSAGE=disk 12: is ready\nPRIORITY=6\n"
                       "SYSLOG_IDENTIFIER=host-log\nVBDD_DISK=12\n");
    log_warning("domain 3: refused");
    CHECK_STR(entry(), "MESSAGE=domain 3: refused\nPRIORITY=4\n"
                       "SYSLOG_IDENTIFIER=host-log\nVBDD_DOMID=3\n");
    CHECK_STR(line(), "");
}

static void check_no_subject(void)
{
    static const char *const messages[] = {
        "serving", "5: x", "5/xvda", "5/xvda:x", "5/: x/y", "/5/xvda: x",
        "disk : x", "disk x3: y", "disk 3 is ready", "domain: 3: x", "disk ",
        "diskette 3: x", "",
    };

    for (unsigned i = 0; i < sizeof messages / sizeof *messages; i++) {
        log_info("%s", messages[i]);
        CHECK(!strstr(entry(), "VBDD_"));
    }
}

static void check_long(void)
{
    char text[3000];

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("5/xvda: %s", text);
    CHECK(strstr(entry(), "a\nPRIORITY=6\n"));
    CHECK(strstr(got, "\nVBDD_VDEV=xvda\n"));
}

/* Of the worker: last, since it stays. */
static void check_fields(void)
{
    log_add_field("VBDD_DISK", "4");
    log_add_field("VBDD_TARGET", "/dev/a\nPRIORITY=0\nb=c");
    log_info("aio: x\nVBDD_DISK=5");
    CHECK_STR(entry(), "VBDD_DISK=4\nVBDD_TARGET=/dev/a?PRIORITY=0?b=c\n"
                       "MESSAGE=aio: x?VBDD_DISK=5\nPRIORITY=6\n"
                       "SYSLOG_IDENTIFIER=host-log\n");
}

static void check_without_journal(void)
{
    close_journal();
    errno = EDOM;
    log_error("disk 3: gone");
    CHECK_EQ(errno, EDOM);
    CHECK_STR(line(), "<3>disk 3: gone\n");
    open_journal();
    log_error("back");
    CHECK(strstr(entry(), "MESSAGE=back\n"));
    CHECK_STR(line(), "");
    for (unsigned i = 0; i < 5000; i++) /* nobody reads: nobody waits */
        log_info("%u", i);
    CHECK(strstr(line(), "<6>"));
}

static void check_names(void)
{
    char name[200];

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK(!journal_open(name));
}

int main(void)
{
    REQUIRE(mkdtemp(dir) && pipe2(lines, O_NONBLOCK) == 0);
    snprintf(path, sizeof path, "%s/socket", dir);
    real_stderr = dup(STDERR_FILENO);
    dup2(lines[1], STDERR_FILENO);
    open_journal();
    TEST("a message is a line", check_lines);
    TEST("the journal is told from a file that took its place",
         check_matching);
    TEST("in the journal it is an entry with fields", check_entries);
    TEST("what only looks like a subject is none", check_no_subject);
    TEST("a long message leaves room for its fields", check_long);
    TEST("fields of all entries cannot be forged", check_fields);
    TEST("what the journal does not take is a line", check_without_journal);
    TEST("a socket's name that is too long is refused", check_names);
    close_journal();
    rmdir(dir);
    dup2(real_stderr, STDERR_FILENO);
    return tap_done();
}
