/* SPDX-License-Identifier: MIT
 * vbdctl: asks vbdd one thing over its control socket (docs/CONTROL.md). */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <config.h>

#include "common/host/socket.h"
#include "tools/vbdctl.h"

static const char usage[] =
    "Usage: vbdctl [--socket PATH] [--json] COMMAND\n"
    "Asks vbdd what it serves, or to serve something.\n"
    "\n"
    "  attach --domid N --vdev NAME --target PATH [--mode r|w|w!]\n"
    "         [--engine SPEC] [--option NAME=VALUE]...\n"
    "                     attach a disk, on the stand-in (on Xen use xl)\n"
    "  detach --domid N --vdev NAME [--force]\n"
    "  list               all disks and vbds\n"
    "  show DISK          one disk, by its number\n"
    "  show DOMID/VDEV    one vbd\n"
    "  stats [DISK]       what workers have counted\n"
    "  hotplug add|remove PATH\n"
    "                     for the script block-vbdd\n"
    "  ping               does it answer?\n"
    "\n"
    "      --socket PATH  vbdd's control socket (/run/vbdd/control)\n"
    "      --json         show the reply as it comes\n"
    "      --help         show this and exit\n"
    "      --version      show the version and exit\n";

enum { OPT_SOCKET = 256, OPT_JSON, OPT_HELP, OPT_VERSION, OPT_DOMID, OPT_VDEV,
       OPT_TARGET, OPT_MODE, OPT_ENGINE, OPT_OPTION, OPT_FORCE };
enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static const struct option long_options[] = {
    { "socket", required_argument, NULL, OPT_SOCKET },
    { "json", no_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
    { "domid", required_argument, NULL, OPT_DOMID },
    { "vdev", required_argument, NULL, OPT_VDEV },
    { "target", required_argument, NULL, OPT_TARGET },
    { "mode", required_argument, NULL, OPT_MODE },
    { "engine", required_argument, NULL, OPT_ENGINE },
    { "option", required_argument, NULL, OPT_OPTION },
    { "force", no_argument, NULL, OPT_FORCE },
    { NULL, 0, NULL, 0 }
};

struct arguments {
    const char *socket;
    bool is_json;
    json_t *request; /* options that go into it as they are */
    json_t *options; /* of the disk */
};

/* A mistake of the command line's: about a word, or about nothing. */
static int complain(const char *word, const char *sentence)
{
    fprintf(stderr, "vbdctl: %s%s%s\nTry 'vbdctl --help'.\n", word,
            *word ? ": " : "", sentence);
    return EXIT_USAGE;
}

/* --- the request ---------------------------------------------------------- */

static int set_number(json_t *request, const char *name, const char *text)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    if (errno || *end || end == text)
        return complain(text, "expected a number");
    json_object_set_new(request, name, json_integer(number));
    return 0;
}

static int set_option(json_t *options, const char *text)
{
    const char *equals = strchr(text, '=');
    char name[32];

    if (!equals || (size_t)(equals - text) >= sizeof name)
        return complain(text, "expected NAME=VALUE");
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    if (json_object_set_new(options, name, json_string(equals + 1)) < 0)
        return complain(text, "expected UTF-8");
    return 0;
}

static int set_string(json_t *request, const char *name, const char *text)
{
    return json_object_set_new(request, name, json_string(text)) < 0
               ? complain(text, "expected UTF-8") : 0;
}

/* 0, or -1 when all is done, or an exit status. */
static int take_option(struct arguments *arguments, int option,
                       const char *value)
{
    json_t *request = arguments->request;

    switch (option) {
    case OPT_SOCKET: arguments->socket = value; return 0;
    case OPT_JSON: arguments->is_json = true; return 0;
    case OPT_DOMID: return set_number(request, "domid", value);
    case OPT_VDEV: return set_string(request, "vdev", value);
    case OPT_TARGET: return set_string(request, "target", value);
    case OPT_MODE: return set_string(request, "mode", value);
    case OPT_ENGINE:
        return json_object_set_new(arguments->options, "engine",
                                   json_string(value)) < 0
                   ? complain(value, "expected UTF-8") : 0;
    case OPT_OPTION: return set_option(arguments->options, value);
    case OPT_FORCE:
        json_object_set_new(request, "force", json_true());
        return 0;
    case OPT_HELP: fputs(usage, stdout); return -1;
    case OPT_VERSION: puts("vbdctl " PACKAGE_VERSION); return -1;
    }
    fputs("Try 'vbdctl --help'.\n", stderr);
    return EXIT_USAGE;
}

/* The words after the options: a command and what it is about. */
static int take_words(struct arguments *arguments, char **words, int nr)
{
    json_t *request = arguments->request;
    const char *command = nr > 0 ? words[0] : "";
    int status;

    if (nr < 1)
        return complain("", "a command is missing");
    json_object_set_new(request, "command", json_string(command));
    if (strcmp(command, "hotplug") == 0) {
        if (nr != 3)
            return complain(command, "expected add or remove, and a path");
        status = set_string(request, "action", words[1]);
        return status ? status : set_string(request, "path", words[2]);
    }
    if (strcmp(command, "show") == 0) {
        if (nr != 2)
            return complain(command, "expected DISK or DOMID/VDEV");
        return strchr(words[1], '/') ? set_string(request, "vbd", words[1])
                                     : set_number(request, "disk", words[1]);
    }
    if (strcmp(command, "stats") == 0 && nr == 2)
        return set_number(request, "disk", words[1]);
    return nr == 1 ? 0 : complain(words[1], "one word too many");
}

/* --- asking --------------------------------------------------------------- */

/* Sends the request and reads the one line of the reply (to be freed), or
 * NULL. */
static char *ask(int fd, const json_t *request)
{
    char *line = json_dumps(request, JSON_COMPACT);
    FILE *stream = fdopen(fd, "r+");
    size_t size = 0;

    if (!line || !stream || fprintf(stream, "%s\n", line) < 0 ||
        fflush(stream) < 0) {
        free(line);
        line = NULL;
    } else {
        free(line);
        line = NULL;
        if (getline(&line, &size, stream) < 0) {
            free(line);
            line = NULL;
        }
    }
    if (stream)
        fclose(stream);
    else
        close(fd);
    return line;
}

static int show(const struct arguments *arguments, const char *line)
{
    json_error_t error;
    json_t *reply = json_loads(line, 0, &error);
    bool is_ok = json_is_true(json_object_get(reply, "ok"));
    const char *sentence = json_string_value(json_object_get(reply, "error"));

    if (arguments->is_json)
        fputs(line, stdout);
    else if (is_ok)
        print_reply(json_string_value(json_object_get(arguments->request,
                                                      "command")), reply);
    else
        fprintf(stderr, "vbdctl: %s\n",
                sentence ? sentence : "an answer that makes no sense");
    json_decref(reply);
    return is_ok ? 0 : EXIT_REFUSED;
}

static int run(const struct arguments *arguments)
{
    int fd = socket_connect(arguments->socket, SOCK_STREAM), status;
    char *line;

    if (fd < 0) {
        fprintf(stderr, "vbdctl: %s: %s (is vbdd running?)\n",
                arguments->socket, strerror(-fd));
        return EXIT_REFUSED;
    }
    line = ask(fd, arguments->request);
    if (!line) {
        fputs("vbdctl: vbdd has gone before it answered\n", stderr);
        return EXIT_REFUSED;
    }
    status = show(arguments, line);
    free(line);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments = { .socket = "/run/vbdd/control",
                                   .request = json_object(),
                                   .options = json_object() };
    int option, status = 0;

    while (!status &&
           (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        status = take_option(&arguments, option, optarg);
    if (!status)
        status = take_words(&arguments, argv + optind, argc - optind);
    if (json_object_size(arguments.options) > 0)
        json_object_set(arguments.request, "options", arguments.options);
    if (!status)
        status = run(&arguments);
    json_decref(arguments.request);
    json_decref(arguments.options);
    return status < 0 ? 0 : status;
}
