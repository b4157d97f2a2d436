/* SPDX-License-Identifier: MIT
 * vbdctl: asks vbdd one thing over its control socket (docs/CONTROL.md). */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <config.h>

#include "tools/vbdctl/vbdctl.h"

static const char usage[] =
    "Usage: vbdctl [--socket PATH] [--json] [--watch[=SECONDS]] COMMAND\n"
    "Asks vbdd what it serves, or to serve something.\n"
    "\n"
    "  attach --domid N --vdev NAME --target PATH [--mode r|w|w!]\n"
    "         [--engine SPEC] [--option NAME=VALUE]...\n"
    "                     attach a disk, on the stand-in (on Xen use xl)\n"
    "  detach --domid N --vdev NAME [--force]\n"
    "  list               all disks and vbds\n"
    "  show DISK          one disk, by its number\n"
    "  show DOMID/VDEV    one vbd\n"
    "  stats [DISK|DOMID/VDEV] [--histogram]\n"
    "                     what workers have counted\n"
    "  metrics [DISK|DOMID/VDEV]\n"
    "                     the same for Prometheus\n"
    "  features [DOMID/VDEV]\n"
    "                     what a front end was offered, and what it took\n"
    "  nbd DISK|DOMID/VDEV\n"
    "                     where its emulated disk, or another NBD client, is\n"
    "                     to connect\n"
    "  resize DISK|DOMID/VDEV\n"
    "                     take over what the target has grown\n"
    "  log-level [LEVEL [DISK]]\n"
    "                     error, warning, info or debug; or what it is\n"
    "  doctor TARGET      what a block device or file is, who has it in use,\n"
    "                     and whether and how it can be attached; vbdd need\n"
    "                     not run\n"
    "  hotplug add|remove PATH\n"
    "                     for the script block-vbdd\n"
    "  ping               does it answer?\n"
    "\n"
    "      --socket PATH  vbdd's control socket (/run/vbdd/control)\n"
    "      --json         show the reply as it comes\n"
    "      --watch[=SECONDS]\n"
    "                     list or stats again and again (2), with rates\n"
    "      --help         show this and exit\n"
    "      --version      show the version and exit\n";

enum { OPT_SOCKET = 256, OPT_JSON, OPT_HELP, OPT_VERSION, OPT_DOMID, OPT_VDEV,
       OPT_TARGET, OPT_MODE, OPT_ENGINE, OPT_OPTION, OPT_FORCE, OPT_HISTOGRAM,
       OPT_WATCH };

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
    { "histogram", no_argument, NULL, OPT_HISTOGRAM },
    { "watch", optional_argument, NULL, OPT_WATCH },
    { NULL, 0, NULL, 0 }
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

static int set_watch(struct arguments *arguments, const char *text)
{
    char *end;

    arguments->watch_seconds = 2;
    if (!text)
        return 0;
    arguments->watch_seconds = strtod(text, &end);
    return *end || end == text || !(arguments->watch_seconds >= 0.1) ||
                   arguments->watch_seconds > 86400
               ? complain(text, "expected 0.1 to 86400 seconds") : 0;
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
    case OPT_HISTOGRAM:
        json_object_set_new(request, "histogram", json_true());
        return 0;
    case OPT_WATCH: return set_watch(arguments, value);
    case OPT_HELP: fputs(usage, stdout); return -1;
    case OPT_VERSION: puts("vbdctl " PACKAGE_VERSION); return -1;
    }
    fputs("Try 'vbdctl --help'.\n", stderr);
    return EXIT_USAGE;
}

static int take_hotplug(json_t *request, char **words, int nr)
{
    int status = set_string(request, "action", words[0]);

    (void)nr;
    return status ? status : set_string(request, "path", words[1]);
}

/* A disk by its number, or what has a disk. */
static int take_subject(json_t *request, char **words, int nr)
{
    if (nr == 0)
        return 0;
    return strchr(words[0], '/') ? set_string(request, "vbd", words[0])
                                 : set_number(request, "disk", words[0]);
}

static int take_target(json_t *request, char **words, int nr)
{
    (void)nr;
    return set_string(request, "target", words[0]);
}

static int take_vbd(json_t *request, char **words, int nr)
{
    return nr ? set_string(request, "vbd", words[0]) : 0;
}

static int take_level(json_t *request, char **words, int nr)
{
    int status = nr ? set_string(request, "level", words[0]) : 0;

    return nr > 1 && !status ? set_number(request, "disk", words[1])
                             : status;
}

static int take_none(json_t *request, char **words, int nr)
{
    (void)request;
    (void)words;
    (void)nr;
    return 0;
}

static const struct command {
    const char *name;
    int min, max; /* words */
    const char *expected;
    int (*take)(json_t *request, char **words, int nr);
    bool can_be_watched;
} commands[] = {
    { "hotplug", 2, 2, "expected add or remove, and a path", take_hotplug,
      false },
    { "doctor", 1, 1, "expected one TARGET", take_target, false },
    { "show", 1, 1, "expected DISK or DOMID/VDEV", take_subject, false },
    { "stats", 0, 1, "expected at most a DISK or DOMID/VDEV", take_subject,
      true },
    { "metrics", 0, 1, "expected at most a DISK or DOMID/VDEV", take_subject,
      false },
    { "features", 0, 1, "expected at most a DOMID/VDEV", take_vbd, false },
    { "nbd", 1, 1, "expected DISK or DOMID/VDEV", take_subject, false },
    { "resize", 1, 1, "expected DISK or DOMID/VDEV", take_subject, false },
    { "log-level", 0, 2, "expected at most a level and a DISK", take_level,
      false },
    { "list", 0, 0, "one word too many", take_none, true },
    /* all others; whether there is such a command is vbdd's to say */
    { NULL, 0, 0, "one word too many", take_none, false },
};

/* The words after the options: a command and what it is about. */
static int take_words(struct arguments *arguments, char **words, int nr)
{
    const struct command *command = commands;

    if (nr < 1)
        return complain("", "a command is missing");
    while (command->name && strcmp(command->name, words[0]) != 0)
        command++;
    json_object_set_new(arguments->request, "command", json_string(words[0]));
    if (nr - 1 < command->min || nr - 1 > command->max)
        return complain(command->max ? words[0] : words[1],
                        command->expected);
    if (arguments->watch_seconds > 0 && !command->can_be_watched)
        return complain(words[0], "only list and stats can be watched");
    if (strcmp(words[0], "doctor") == 0)
        arguments->run = doctor;
    if (strcmp(words[0], "metrics") == 0)
        arguments->run = metrics;
    return command->take(arguments->request, words + 1, nr - 1);
}

/* -------------------------------------------------------------------------- */

static int run_once(const struct arguments *arguments)
{
    static const struct earlier nothing = { .reply = NULL };
    struct answer answer = { .line = NULL };
    int status = ask(arguments, &answer);

    if (!status)
        show(arguments, &answer, &nothing);
    answer_free(&answer);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments = { .socket = "/run/vbdd/control",
                                   .request = json_object(),
                                   .options = json_object(),
                                   .run = run_once };
    int option, status = 0;

    signal(SIGPIPE, SIG_IGN);
    while (!status &&
           (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        status = take_option(&arguments, option, optarg);
    if (!status)
        status = take_words(&arguments, argv + optind, argc - optind);
    if (json_object_size(arguments.options) > 0)
        json_object_set(arguments.request, "options", arguments.options);
    if (!status)
        status = arguments.watch_seconds > 0 ? watch(&arguments)
                                             : arguments.run(&arguments);
    json_decref(arguments.request);
    json_decref(arguments.options);
    return status < 0 ? 0 : status;
}
