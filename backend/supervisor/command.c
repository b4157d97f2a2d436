/* SPDX-License-Identifier: MIT
 * Commands: refuses in one place whatever is not one. */
#include "backend/supervisor/command.h"

#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/backend.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/hotplug.h"
#include "backend/supervisor/text.h"
#include <config.h>

enum { MAX_ARGUMENTS = 12, TEXT_BYTES = 1536 };

struct argument {
    const char *name;
    json_type type;
    bool is_required;
};

static void command_ping(struct client *client, json_t *request)
{
    (void)request;
    client_reply(client, json_pack("{s:s}", "version", PACKAGE_VERSION));
}

static const struct command {
    const char *name;
    void (*run)(struct client *client, json_t *request);
    struct argument arguments[MAX_ARGUMENTS];
} commands[] = {
    { "ping", command_ping, { { .name = NULL } } },
    { "list", command_list, { { .name = NULL } } },
    { "show", command_show, { { "disk", JSON_INTEGER, false },
                              { "vbd", JSON_STRING, false } } },
    { "stats", command_stats, { { "disk", JSON_INTEGER, false },
                                { "vbd", JSON_STRING, false },
                                { "histogram", JSON_TRUE, false } } },
    { "features", command_features, { { "vbd", JSON_STRING, false } } },
    { "nbd", command_nbd, { { "disk", JSON_INTEGER, false },
                            { "vbd", JSON_STRING, false } } },
    { "resize", command_resize, { { "disk", JSON_INTEGER, false },
                                  { "vbd", JSON_STRING, false } } },
    { "log-level", command_log_level, { { "level", JSON_STRING, false },
                                        { "disk", JSON_INTEGER, false } } },
    { "hotplug", command_hotplug, { { "action", JSON_STRING, true },
                                    { "path", JSON_STRING, true } } },
    { "attach", command_attach, { { "domid", JSON_INTEGER, true },
                                  { "vdev", JSON_STRING, true },
                                  { "target", JSON_STRING, true },
                                  { "mode", JSON_STRING, false },
                                  { "options", JSON_OBJECT, false } } },
    { "detach", command_detach, { { "domid", JSON_INTEGER, true },
                                  { "vdev", JSON_STRING, true },
                                  { "force", JSON_TRUE, false } } },
};

json_t *command_text(const char *text)
{
    char shown[TEXT_BYTES];

    return json_string(text_printable(text, (unsigned)strlen(text), shown,
                                      sizeof shown));
}

json_t *command_number(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

/* --- judging -------------------------------------------------------------- */

static const char *type_text(json_type type)
{
    switch (type) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE: case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "?";
}

static bool has_type(const json_t *value, json_type type)
{
    return type == JSON_TRUE ? json_is_boolean(value)
                             : json_typeof(value) == type;
}

/* A string with a 0 in its middle would be read as another one than it is. */
static bool is_whole(const json_t *value)
{
    return !json_is_string(value) ||
           strlen(json_string_value(value)) == json_string_length(value);
}

static const struct argument *find_argument(const struct command *command,
                                            const char *name)
{
    for (unsigned i = 0; command->arguments[i].name; i++)
        if (strcmp(command->arguments[i].name, name) == 0)
            return &command->arguments[i];
    return NULL;
}

/* True when the request may be run; else it has been refused. */
static bool judge(struct client *client, const struct command *command,
                  json_t *request)
{
    const struct argument *argument;
    const char *name;
    json_t *value;

    json_object_foreach(request, name, value) {
        if (strcmp(name, "command") == 0)
            continue;
        argument = find_argument(command, name);
        if (!argument) {
            client_refuse(client, "%s has no argument '%.50s'", command->name,
                          name);
            return false;
        }
        if (!has_type(value, argument->type) || !is_whole(value)) {
            client_refuse(client, "%s: %s is not %s", command->name, name,
                          type_text(argument->type));
            return false;
        }
    }
    for (argument = command->arguments; argument->name; argument++) {
        if (argument->is_required &&
            !json_object_get(request, argument->name)) {
            client_refuse(client, "%s: %s is missing: expected %s",
                          command->name, argument->name,
                          type_text(argument->type));
            return false;
        }
    }
    return true;
}

void command_run(struct client *client, json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "command"));

    if (!name) {
        client_refuse(client, "expected an object with a string \"command\"");
        return;
    }
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        if (judge(client, &commands[i], request))
            commands[i].run(client, request);
        return;
    }
    client_refuse(client, "'%.50s' is no command: expected ping, list, show, "
                  "stats, features, nbd, resize, log-level, hotplug, attach or "
                  "detach", name);
}

/* --- hotplug -------------------------------------------------------------- */

struct hotplug {
    struct waiter waiter;
    struct client *client;
    bool is_add;
    char path[]; /* of the node */
};

/* Where the emulated disk is to go, if there is a way. */
static json_t *describe_added(struct supervisor *supervisor, const char *path)
{
    const struct vbd *vbd = backend_find(supervisor, path);
    json_t *body = json_object();
    char uri[DOOR_URI_BYTES];

    if (!vbd || !vbd->disk || !disk_has_door(vbd->disk, vbd))
        return body;
    door_print_uri(vbd, uri);
    json_object_set_new(body, "nbd", json_string(uri));
    return body;
}

static void hotplug_done(struct waiter *waiter, int error,
                         const char *sentence)
{
    struct hotplug *hotplug = (struct hotplug *)waiter;

    if (!error && hotplug->is_add)
        client_reply(hotplug->client,
                     describe_added(client_supervisor(hotplug->client),
                                    hotplug->path));
    else
        client_finish(hotplug->client, error, sentence);
    free(hotplug);
}

void command_hotplug(struct client *client, json_t *request)
{
    const char *action = json_string_value(json_object_get(request,
                                                           "action"));
    const char *path = json_string_value(json_object_get(request, "path"));
    struct hotplug *hotplug;
    bool is_add = strcmp(action, "add") == 0;

    if (!is_add && strcmp(action, "remove") != 0) {
        client_refuse(client, "hotplug: action is '%.50s': expected add or "
                      "remove", action);
        return;
    }
    hotplug = calloc(1, sizeof *hotplug + strlen(path) + 1);
    if (!hotplug) {
        client_reply(client, NULL);
        return;
    }
    hotplug->waiter.done = hotplug_done;
    hotplug->client = client;
    hotplug->is_add = is_add;
    strcpy(hotplug->path, path);
    (is_add ? hotplug_add : hotplug_remove)(client_supervisor(client), path,
                                            &hotplug->waiter);
}
