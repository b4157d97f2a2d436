/* SPDX-License-Identifier: MIT
 * vbdd's command line. */
#include "backend/supervisor/options.h"

#include <getopt.h>
#include <stdio.h>

#include <config.h>

static const char usage[] =
    "Usage: vbdd [OPTION]...\n"
    "Serves the disks of Xen guests: one worker process for each target.\n"
    "\n"
    "      --background       go to the background once it is serving\n"
    "      --config FILE      read FILE, not " SYSCONFDIR "/vbdd.conf\n"
    "      --foreground       stay in the foreground (default)\n"
    "      --help             show this and exit\n"
    "      --local DIR        serve the stand-in hypervisor in DIR, not Xen\n"
    "      --log-level LEVEL  error, warning, info (default) or debug\n"
    "      --state-dir DIR    where sockets and markers live (/run/vbdd)\n"
    "      --version          show the version and exit\n"
    "      --worker PATH      the worker program, not " LIBEXECDIR
    "/vbdd-disk\n";

enum { OPT_BACKGROUND = 256, OPT_CONFIG, OPT_FOREGROUND, OPT_HELP, OPT_LOCAL,
       OPT_LOG_LEVEL, OPT_STATE_DIR, OPT_VERSION, OPT_WORKER };

static const struct option long_options[] = {
    { "background", no_argument, NULL, OPT_BACKGROUND },
    { "config", required_argument, NULL, OPT_CONFIG },
    { "foreground", no_argument, NULL, OPT_FOREGROUND },
    { "help", no_argument, NULL, OPT_HELP },
    { "local", required_argument, NULL, OPT_LOCAL },
    { "log-level", required_argument, NULL, OPT_LOG_LEVEL },
    { "state-dir", required_argument, NULL, OPT_STATE_DIR },
    { "version", no_argument, NULL, OPT_VERSION },
    { "worker", required_argument, NULL, OPT_WORKER },
    { NULL, 0, NULL, 0 }
};

/* -1 to go on, or the exit status. */
static int take_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPT_BACKGROUND:
    case OPT_FOREGROUND:
        options->is_background = option == OPT_BACKGROUND;
        return -1;
    case OPT_CONFIG:
        options->config_path = value;
        options->has_config_path = true;
        return -1;
    case OPT_LOCAL:
        options->local_dir = value;
        return -1;
    case OPT_LOG_LEVEL:
        options->has_log_level = true;
        if (log_level_parse(value, &options->log_level) == 0)
            return -1;
        fprintf(stderr, "vbdd: --log-level %s: expected error, warning, info "
                        "or debug\n", value);
        return 2;
    case OPT_STATE_DIR:
        options->state_dir = value;
        return -1;
    case OPT_WORKER:
        options->worker_path = value;
        return -1;
    case OPT_HELP:
        fputs(usage, stdout);
        return 0;
    case OPT_VERSION:
        puts("vbdd " PACKAGE_VERSION);
        return 0;
    default:
        fputs("Try 'vbdd --help'.\n", stderr);
        return 2;
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    int option, status;

    *options = (struct options){
        .config_path = SYSCONFDIR "/vbdd.conf",
        .state_dir = "/run/vbdd",
        .worker_path = LIBEXECDIR "/vbdd-disk",
        .log_level = LOG_LEVEL_INFO,
    };
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        status = take_option(options, option, optarg);
        if (status >= 0)
            return status;
    }
    if (optind < argc) {
        fprintf(stderr, "vbdd: '%s': no arguments are expected\n",
                argv[optind]);
        return 2;
    }
    return -1;
}
