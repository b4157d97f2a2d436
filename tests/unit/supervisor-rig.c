/* SPDX-License-Identifier: MIT
 * The rig. */
#include "tests/unit/supervisor-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "backend/control/key.h"
#include "common/host/vdev.h"


char rig_dir[64];
struct xs_handle *rig_xs;
const char *rig_log_level = "debug";
const char *rig_worker = "tests/unit/supervisor-fake-worker";
static pid_t hypervisor, daemon_pid;
static json_t *last_reply;

/* --- processes ------------------------------------------------------------ */

const char *rig_builddir(void)
{
    const char *dir = getenv("top_builddir");

    return dir ? dir : ".";
}

const char *rig_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", rig_dir, name);
    return path;
}

/* argv[0] is a program of this build; output goes to the file. With VALGRIND
 * in the environment the program runs under it. */
static pid_t spawn(const char *program, const char *output,
                   const char *const *arguments)
{
    char command[2048];
    const char *valgrind = getenv("VALGRIND");
    int used = snprintf(command, sizeof command, "exec %s %s/%s",
                        valgrind ? valgrind : "", rig_builddir(), program);
    pid_t pid;

    for (unsigned i = 0; arguments[i]; i++)
        used += snprintf(command + used, sizeof command - (unsigned)used,
                         " '%s'", arguments[i]);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);

        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    return pid;
}

static void nap(void)
{
    usleep(STEP_MS * 1000);
}

static bool await_file(const char *path)
{
    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
        if (access(path, F_OK) == 0)
            return true;
        nap();
    }
    return false;
}

static void await_vbdd(void)
{
    REQUIRE(daemon_pid > 0);
    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
        const json_t *reply = rig_ask("{\"command\":\"ping\"}");

        if (json_is_true(json_object_get(reply, "ok")))
            return;
        nap();
    }
    REQUIRE(!"vbdd answers");
}

void rig_start_vbdd(void)
{
    daemon_pid = spawn("vbdd", rig_path("vbdd.log"), (const char *[]){
        "--local", rig_dir, "--state-dir", rig_path("state"), "--worker",
        rig_path("worker"), "--config", rig_path("vbdd.conf"), "--log-level",
        rig_log_level, NULL });
    await_vbdd();
}

void rig_start_vbdd_for_xen(void)
{
    daemon_pid = spawn("vbdd", rig_path("vbdd.log"), (const char *[]){
        "--state-dir", rig_path("state"), "--worker", rig_path("worker"),
        "--config", rig_path("vbdd.conf"), "--log-level", "debug", NULL });
    await_vbdd();
}

/* A name of this rig's own for the worker, which a test may take away. */
static void link_worker(void)
{
    char program[512], *real;

    snprintf(program, sizeof program, "%s/%s", rig_builddir(), rig_worker);
    real = realpath(program, NULL);
    REQUIRE(real && symlink(real, rig_path("worker")) == 0);
    free(real);
}

void rig_start(const char *config)
{
    FILE *file;

    strcpy(rig_dir, "/tmp/vbdd-test-XXXXXX");
    REQUIRE(mkdtemp(rig_dir));
    file = fopen(rig_path("vbdd.conf"), "w");
    REQUIRE(file && fputs(config, file) >= 0);
    fclose(file);
    link_worker();
    setenv("XENSTORED_PATH", rig_path("xenstored"), 1);
    hypervisor = spawn("vbdd-local", rig_path("hypervisor.log"),
                       (const char *[]){ rig_dir, NULL });
    REQUIRE(hypervisor > 0 && await_file(rig_path("xenstored")));
    for (int ms = 0; !rig_xs && ms < PATIENCE_MS; ms += STEP_MS) {
        rig_xs = xs_open(0);
        if (!rig_xs)
            nap();
    }
    REQUIRE(rig_xs);
    rig_start_vbdd();
}

static int reap(pid_t *pid)
{
    int status = 0;

    if (*pid > 0)
        waitpid(*pid, &status, 0);
    *pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                               : WEXITSTATUS(status);
}

int rig_stop_vbdd(void)
{
    kill(daemon_pid, SIGTERM);
    return reap(&daemon_pid);
}

int rig_await_vbdd(void)
{
    return reap(&daemon_pid);
}

void rig_kill_vbdd(void)
{
    kill(daemon_pid, SIGKILL);
    reap(&daemon_pid);
}

pid_t rig_vbdd_pid(void)
{
    return daemon_pid;
}

pid_t rig_hypervisor_pid(void)
{
    return hypervisor;
}

void rig_kill_hypervisor(void)
{
    kill(hypervisor, SIGKILL);
    reap(&hypervisor);
}

void rig_end(void)
{
    char command[128];

    if (daemon_pid > 0)
        rig_stop_vbdd();
    xs_close(rig_xs);
    rig_xs = NULL;
    if (hypervisor > 0)
        kill(hypervisor, SIGTERM);
    reap(&hypervisor);
    json_decref(last_reply);
    last_reply = NULL;
    snprintf(command, sizeof command, "rm -rf '%s'", rig_dir);
    if (getenv("VBDD_TEST_KEEP"))
        NOTE("kept %s", rig_dir);
    else
        REQUIRE(system(command) == 0);
}

/* --- control -------------------------------------------------------------- */

int rig_send(const char *line)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t length = strlen(line);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/state/control",
             rig_dir);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        send(fd, line, length, MSG_NOSIGNAL) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

json_t *rig_receive(int fd)
{
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
    json_t *reply = NULL;
    char *line = NULL;
    size_t size = 0;

    if (!stream)
        return NULL;
    if (getline(&line, &size, stream) > 0)
        reply = json_loads(line, 0, NULL);
    free(line);
    fclose(stream);
    return reply;
}

json_t *rig_ask(const char *format, ...)
{
    char line[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    strcat(line, "\n");
    json_decref(last_reply);
    last_reply = rig_receive(rig_send(line));
    return last_reply;
}

static const char *sentence_of(const json_t *reply)
{
    const char *text = json_string_value(json_object_get(reply, "error"));

    return text ? text : "(none)";
}

bool rig_ok(const json_t *reply)
{
    bool is_ok = json_is_true(json_object_get(reply, "ok"));

    if (!is_ok)
        NOTE("refused: %s", sentence_of(reply));
    return is_ok;
}

bool rig_refused(const json_t *reply, const char *text)
{
    bool is_right = json_is_false(json_object_get(reply, "ok")) &&
                    strstr(sentence_of(reply), text);

    if (!is_right)
        NOTE("wanted a refusal with \"%s\", got \"%s\"", text,
             sentence_of(reply));
    return is_right;
}

static json_t *find(const char *array, const char *name, const char *value)
{
    const json_t *reply = rig_ask("{\"command\":\"list\"}");
    json_t *element;
    size_t i;

    json_array_foreach(json_object_get(reply, array), i, element)
        if (strcmp(json_string_value(json_object_get(element, name)),
                   value) == 0)
            return element;
    return NULL;
}

json_t *rig_disk(const char *target)
{
    return find("disks", "target", target);
}

json_t *rig_vbd(const char *name)
{
    return find("vbds", "vbd", name);
}

void rig_kill_worker(const char *target)
{
    json_int_t pid = json_integer_value(json_object_get(rig_disk(target),
                                                        "worker"));

    REQUIRE(pid > 1); /* 0 and -1 are not one process */
    kill((pid_t)pid, SIGKILL);
}

bool rig_await_disk_state(const char *target, const char *state)
{
    const char *got = NULL;

    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
        const json_t *disk = rig_disk(target);

        got = json_string_value(json_object_get(disk, "state"));
        if ((!disk && !state) || (got && state && strcmp(got, state) == 0))
            return true;
        nap();
    }
    NOTE("%s is %s, not %s", target, got ? got : "gone",
         state ? state : "gone");
    return false;
}

/* --- the store ------------------------------------------------------------ */

static const char *join(const char *dir, const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

void rig_write(const char *dir, const char *name, const char *value)
{
    REQUIRE(xs_write(rig_xs, XBT_NULL, join(dir, name), value,
                     (unsigned)strlen(value)));
}

void rig_remove(const char *path)
{
    xs_rm(rig_xs, XBT_NULL, path);
}

/* NULL: value must not exist; to be freed. */
static char *read_node(const char *dir, const char *name)
{
    unsigned length;

    return xs_read(rig_xs, XBT_NULL, join(dir, name), &length);
}

bool rig_exists(const char *dir, const char *name)
{
    char *got = read_node(dir, name);
    bool exists = got;

    free(got);
    return exists;
}

bool rig_await(const char *dir, const char *name, const char *value)
{
    char *got = NULL;

    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
        free(got);
        got = read_node(dir, name);
        if ((!got && !value) || (got && value && strcmp(got, value) == 0)) {
            free(got);
            return true;
        }
        nap();
    }
    NOTE("%s/%s is %s, not %s", dir, name, got ? got : "missing",
         value ? value : "missing");
    free(got);
    return false;
}

bool rig_holds(const char *dir, const char *name, const char *part)
{
    char *got = read_node(dir, name);
    bool holds = got && strstr(got, part);

    if (!holds)
        NOTE("%s/%s is '%s', without '%s'", dir, name, got ? got : "missing",
             part);
    free(got);
    return holds;
}

/* --- files ---------------------------------------------------------------- */

unsigned rig_count_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    unsigned count = 0;

    if (!file)
        return 0;
    while (getline(&line, &size, file) > 0)
        count += strstr(line, text) != NULL;
    free(line);
    fclose(file);
    return count;
}

bool rig_await_text(const char *path, const char *text)
{
    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
        if (rig_count_text(path, text))
            return true;
        nap();
    }
    NOTE("'%s' never came in %s", text, path);
    return false;
}

void rig_make_dir(const char *path, unsigned owner, unsigned reader)
{
    struct xs_permissions permissions[2] = {
        { .id = owner, .perms = XS_PERM_NONE },
        { .id = reader, .perms = XS_PERM_READ },
    };

    REQUIRE(xs_mkdir(rig_xs, XBT_NULL, path) &&
            xs_set_permissions(rig_xs, XBT_NULL, path, permissions, 2));
}

void rig_touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    REQUIRE(fd >= 0);
    close(fd);
}

void rig_unlink(const char *path)
{
    unlink(path);
}

/* --- devices -------------------------------------------------------------- */

struct rig_device rig_device(unsigned domid, const char *vdev,
                             const char *target)
{
    struct rig_device device = { .domid = domid };
    uint32_t devid;

    REQUIRE(vdev_parse(vdev, &devid) == 0);
    device.devid = devid;
    snprintf(device.vdev, sizeof device.vdev, "%s", vdev);
    snprintf(device.name, sizeof device.name, "%u/%s", domid, vdev);
    snprintf(device.back, sizeof device.back,
             "/local/domain/0/backend/vbd/%u/%u", domid, devid);
    snprintf(device.front, sizeof device.front,
             "/local/domain/%u/device/vbd/%u", domid, devid);
    snprintf(device.target, sizeof device.target, "%s/%s", rig_dir, target);
    snprintf(device.log, sizeof device.log, "%s.log", device.target);
    snprintf(device.go, sizeof device.go, "%s.go", device.target);
    rig_touch(device.target);
    REQUIRE(truncate(device.target, 64 << 20) == 0);
    return device;
}

off_t rig_lease_bytes(const struct rig_device *device)
{
    char key[TARGET_KEY_BYTES], name[64];
    struct stat status;

    REQUIRE(stat(device->target, &status) == 0 && target_key(&status, key));
    snprintf(name, sizeof name, "state/leases/%s", key);
    return stat(rig_path(name), &status) == 0 ? status.st_size : -1;
}

json_t *rig_attach(const struct rig_device *device, const char *mode,
                   const char *engine)
{
    return rig_ask("{\"command\":\"attach\",\"domid\":%u,\"vdev\":\"%s\","
                   "\"target\":\"%s\",\"mode\":\"%s\","
                   "\"options\":{\"engine\":\"%s\"}}", device->domid,
                   device->vdev, device->target, mode, engine);
}

void rig_front(const struct rig_device *device, const char *state)
{
    rig_write(device->front, "state", state);
}

void rig_publish(const struct rig_device *device, const char *state)
{
    rig_write(device->front, "ring-ref", "8");
    rig_write(device->front, "event-channel", "3");
    rig_write(device->front, "protocol", "x86_64-abi");
    rig_front(device, state);
}

bool rig_back_is(const struct rig_device *device, const char *state)
{
    return rig_await(device->back, "state", state);
}

bool rig_detach(const struct rig_device *device)
{
    rig_front(device, "6");
    return rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":%u,"
                          "\"vdev\":\"%s\"}", device->domid, device->vdev));
}
