/* SPDX-License-Identifier: MIT
 * Claim: vbdd and its hotplug script keep libxl's contract, in the tree of
 * 4.17 (backend/vbd) and in the one that backendtype=tap has since 4.19
 * (backend/vbd3), also when what is asked for is wrong. Source: libxl
 * (device_disk_add, libxl__device_generic_add, _generic_remove,
 * libxl__device_destroy: what is written, in which order and transaction, what
 * is waited for) and docs/PROTOCOL.md. Mechanism: tests/unit/transcripts holds
 * what libxl, the script's caller and a guest do, as lines that are played here
 * against a real vbdd on the stand-in, with a worker that moves no data.
 *
 * A transcript begins with the sentence that is tested, and is played for each
 * release, unless it is called after one. Its lines:
 *   include NAME              the lines of NAME.part
 *   let NAME VALUE            $NAME is VALUE from here on; $target is a file
 *   start | commit            a transaction
 *   rm PATH | mkdir PATH | write PATH [VALUE] | perms PATH OWNER READER
 *   clean PATH                rm, and of what is above what is then empty
 *   await PATH VALUE          the node comes to hold that
 *   is PATH VALUE | holds PATH TEXT | no PATH
 *   script ACTION PATH STATUS block-vbdd as libxl runs it, and how it ends
 *   vbd NAME NODE             it is served, from that node; - for not at all
 *   log TEXT                  vbdd has said so, since the transcript began */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { LINE_BYTES = 512, MAX_NAMES = 64, MAX_WORDS = 4 };

/* All that the releases differ in here. */
static const struct release {
    const char *name, *tree, *type, *format, *uri;
} releases[] = {
    { "4.17", "vbd", "phy", "", "nbd+unix:///?socket=" },
    { "4.19", "vbd3", "vbd3", "aio:", "" },
};
static const struct release *release; /* that is being played */
static const char *transcript;
static char folder[256];

static struct {
    char name[32], value[256];
} names[MAX_NAMES];
static unsigned nr_names;
static xs_transaction_t transaction;

/* --- words ---------------------------------------------------------------- */

static void let(const char *name, const char *value)
{
    REQUIRE(nr_names < MAX_NAMES);
    snprintf(names[nr_names].name, sizeof names->name, "%s", name);
    snprintf(names[nr_names++].value, sizeof names->value, "%s", value);
}

/* The latest of that name. */
static const char *value_of(const char *name, size_t length)
{
    for (unsigned i = nr_names; i-- > 0; )
        if (strlen(names[i].name) == length &&
            strncmp(names[i].name, name, length) == 0)
            return names[i].value;
    printf("Bail out! %s: no $%.*s\n", transcript, (int)length, name);
    exit(99);
}

static void expand(const char *line, char *out)
{
    size_t used = 0;

    while (*line) {
        size_t length = strcspn(line, "$");
        const char *value;

        REQUIRE(used + length < LINE_BYTES);
        memcpy(out + used, line, length);
        used += length;
        line += length;
        if (*line != '$')
            continue;
        length = strspn(line + 1, "abcdefghijklmnopqrstuvwxyz");
        value = value_of(line + 1, length);
        REQUIRE(used + strlen(value) < LINE_BYTES);
        strcpy(out + used, value);
        used += strlen(value);
        line += 1 + length;
    }
    out[used] = '\0';
}

/* Up to nr words, the last of which is the rest of the line. */
static void split(char *line, char **words, unsigned nr)
{
    for (unsigned i = 0; i < MAX_WORDS; i++)
        words[i] = (char *)"";
    for (unsigned i = 0; i < nr && *line; i++) {
        size_t length = i + 1 < nr ? strcspn(line, " ") : strlen(line);

        words[i] = line;
        line += length;
        if (*line)
            *line++ = '\0';
    }
}

/* --- the store ------------------------------------------------------------ */

static char *read_node(const char *path)
{
    unsigned length;

    return xs_read(rig_xs, transaction, path, &length);
}

static void play_perms(char **words)
{
    struct xs_permissions permissions[2] = {
        { .id = (unsigned)atoi(words[2]), .perms = XS_PERM_NONE },
        { .id = (unsigned)atoi(words[3]), .perms = XS_PERM_READ },
    };

    CHECK(xs_set_permissions(rig_xs, transaction, words[1], permissions, 2));
}

/* libxl__xs_path_cleanup(). */
static void play_clean(char *path)
{
    char **children = NULL, *slash;
    unsigned nr = 0;

    do {
        free(children);
        xs_rm(rig_xs, transaction, path);
        slash = strrchr(path, '/');
        *slash = '\0';
        children = slash > path ? xs_directory(rig_xs, transaction, path, &nr)
                                : NULL;
    } while (children && nr == 0);
    free(children);
}

static bool node_is(const char *path, const char *wanted)
{
    char *got = read_node(path);
    bool is = got && strcmp(got, wanted) == 0;

    if (!is)
        NOTE("%s is '%s', not '%s'", path, got ? got : "(missing)", wanted);
    free(got);
    return is;
}

static bool node_is_missing(const char *path)
{
    char *got = read_node(path);
    bool is_missing = !got;

    if (got)
        NOTE("%s is '%s'", path, got);
    free(got);
    return is_missing;
}

static bool await_node(char *path, const char *value)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    return rig_await(path, slash + 1, value);
}

static bool node_holds(char *path, const char *text)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    return rig_holds(path, slash + 1, text);
}

/* --- the rest ------------------------------------------------------------- */

/* The environment is what libxl's get_hotplug_env() makes. */
static bool script_ends(const char *action, const char *path,
                        const char *wanted)
{
    char command[LINE_BYTES], type[16];
    int status;

    REQUIRE(sscanf(path, "backend/%15[^/]", type) == 1);
    snprintf(command, sizeof command,
             "XENBUS_PATH='%s' XENBUS_TYPE=%s XENBUS_BASE_PATH=backend "
             "VBDCTL='%s' '%s/backend/xl/block-vbdd' %s >>'%s' 2>&1", path,
             type, rig_path("ctl"), rig_builddir(), action,
             rig_path("script.log"));
    fflush(stdout);
    status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != atoi(wanted)) {
        NOTE("block-vbdd %s %s: status %d, not %s", action, path,
             WEXITSTATUS(status), wanted);
        return false;
    }
    return true;
}

/* vbdd hears of a node that has gone a moment after it went. */
static bool vbd_is_from(const char *name, const char *wanted)
{
    const char *node = NULL;

    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS, usleep(STEP_MS * 1000)) {
        node = json_string_value(json_object_get(rig_vbd(name), "node"));
        if (strcmp(node ? node : "-", wanted) == 0)
            return true;
    }
    NOTE("%s is served from %s, not %s", name, node ? node : "-", wanted);
    return false;
}

/* --- playing -------------------------------------------------------------- */

/* What only asks, and not in a transaction: 1 right, 0 wrong, -1 no such
 * verb. */
static int ask(char **words)
{
    const char *verb = words[0];

    if (strcmp(verb, "await") == 0)
        return await_node(words[1], words[2]);
    if (strcmp(verb, "is") == 0)
        return node_is(words[1], words[2]);
    if (strcmp(verb, "holds") == 0)
        return node_holds(words[1], words[2]);
    if (strcmp(verb, "no") == 0)
        return node_is_missing(words[1]);
    if (strcmp(verb, "script") == 0)
        return script_ends(words[1], words[2], words[3]);
    if (strcmp(verb, "vbd") == 0)
        return vbd_is_from(words[1], words[2]);
    if (strcmp(verb, "log") == 0)
        return rig_await_text(rig_path("vbdd.log"), words[1]);
    return -1;
}

static int change(char **words)
{
    const char *verb = words[0], *path = words[1];

    if (strcmp(verb, "rm") == 0) /* libxl does not mind when it is not there */
        return xs_rm(rig_xs, transaction, path) || true;
    if (strcmp(verb, "mkdir") == 0)
        return xs_mkdir(rig_xs, transaction, path);
    if (strcmp(verb, "write") == 0)
        return xs_write(rig_xs, transaction, path, words[2],
                        (unsigned)strlen(words[2]));
    if (strcmp(verb, "start") == 0)
        return (transaction = xs_transaction_start(rig_xs)) != XBT_NULL;
    if (strcmp(verb, "commit") == 0) {
        xs_transaction_t ending = transaction;

        transaction = XBT_NULL;
        return xs_transaction_end(rig_xs, ending, false);
    }
    return -1;
}

static bool play_file(const char *name);

static bool include(const char *name)
{
    char file[64];

    snprintf(file, sizeof file, "%s.part", name);
    return play_file(file);
}

/* False: what follows in the transcript makes no sense. */
static bool play_line(char *line)
{
    char *words[MAX_WORDS], shown[LINE_BYTES];
    size_t length = strcspn(line, " ");
    bool has_three = strncmp(line, "script", length) == 0 ||
                     strncmp(line, "perms", length) == 0;
    int result = 1;

    strcpy(shown, line);
    split(line, words, strncmp(line, "log", length) == 0 ? 2
                       : has_three ? 4 : 3);
    if (strcmp(words[0], "let") == 0) {
        let(words[1], words[2]);
    } else if (strcmp(words[0], "include") == 0) {
        return include(words[1]);
    } else if (strcmp(words[0], "perms") == 0) {
        play_perms(words);
    } else if (strcmp(words[0], "clean") == 0) {
        play_clean(words[1]);
    } else {
        result = change(words);
        if (result < 0)
            result = ask(words);
        REQUIRE(result >= 0);
        if (!CHECK(result))
            NOTE("in %s: %s", transcript, shown);
    }
    return result;
}

/* Of the folder's file, without those that begin with #. */
static bool play_file(const char *name)
{
    bool goes_on = true;
    char path[LINE_BYTES], line[LINE_BYTES], expanded[LINE_BYTES];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "r");
    REQUIRE(file);
    while (goes_on && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#')
            continue;
        expand(line, expanded);
        goes_on = play_line(expanded);
    }
    fclose(file);
    return goes_on;
}

/* What a transcript that did not come to its end has left. */
static void clear(void)
{
    if (transaction != XBT_NULL)
        xs_transaction_end(rig_xs, transaction, true);
    transaction = XBT_NULL;
    rig_remove("/local/domain/0/backend");
    rig_await_disk_state(value_of("target", 6), NULL);
}

static void play(void)
{
    struct rig_device device = rig_device(1, "xvda", "target");

    REQUIRE(truncate(rig_path("vbdd.log"), 0) == 0);
    nr_names = 0;
    let("tree", release->tree);
    let("type", release->type);
    let("format", release->format);
    let("uri", release->uri);
    let("dir", rig_dir);
    let("target", device.target);
    let("params", device.target);
    let("script", "/etc/xen/scripts/block-vbdd");
    let("mode", "w");
    let("devtype", "disk");
    let("domid", "5");
    if (play_file(transcript))
        CHECK(!rig_disk(device.target)); /* nothing is left */
    else
        clear();
}

/* --- all of them ---------------------------------------------------------- */

static int is_transcript(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

/* In both releases, unless its name begins with one. */
static void test(const char *name)
{
    char path[512], line[128], sentence[192];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "r");
    REQUIRE(file && fgets(line, sizeof line, file));
    REQUIRE(strncmp(line, "# ", 2) == 0);
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    transcript = name;
    for (unsigned i = 0; i < sizeof releases / sizeof *releases; i++) {
        release = &releases[i];
        if (name[0] == '4' &&
            strncmp(name, release->name, strlen(release->name)) != 0)
            continue;
        snprintf(sentence, sizeof sentence, "%s, %s: %s", release->name,
                 release->tree, line + 2);
        TEST(sentence, play);
    }
}

static void write_ctl(void)
{
    FILE *file = fopen(rig_path("ctl"), "w");

    REQUIRE(file);
    fprintf(file, "#!/bin/sh\nexec '%s/vbdctl' --socket '%s' \"$@\"\n",
            rig_builddir(), rig_path("state/control"));
    fclose(file);
    REQUIRE(chmod(rig_path("ctl"), 0700) == 0);
}

int main(void)
{
    const char *source = getenv("top_srcdir");
    struct dirent **found;
    int nr;

    if (system("command -v xenstore-write >/dev/null") != 0) {
        tap_skip("libxl's contract is kept", "xenstore-write");
        return tap_done();
    }
    snprintf(folder, sizeof folder, "%s/tests/unit/transcripts",
             source ? source : ".");
    nr = scandir(folder, &found, is_transcript, alphasort);
    REQUIRE(nr > 0);
    rig_start("[defaults]\nengine = ok\n");
    write_ctl();
    for (int i = 0; i < nr; i++) {
        test(found[i]->d_name);
        free(found[i]);
    }
    free(found);
    rig_end();
    return tap_done();
}
