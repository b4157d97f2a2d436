/* SPDX-License-Identifier: MIT
 * vbdfront: a guest's disk from the command line. */
#include "tools/vbdfront/cli.h"

#include <string.h>

#include "common/host/vdev.h"
#include "config.h"

static bool wants_help, wants_version;
static struct cli cli = { .domid = 1, .timeout_s = 10, .vdev_name = "xvda" };

static const struct option global_options[] = {
    { "--local", OPTION_TEXT, &cli.local_dir, "DIR",
      "the folder of the local stand-in (vbdd-local DIR)", 0, 0 },
    { "--domid", OPTION_NUMBER, &cli.domid, "N",
      "the domain to be (1)", 1, 0x7fef },
    { "--vdev", OPTION_TEXT, &cli.vdev_name, "NAME",
      "its disk: xvda, hda, sda or a number (xvda)", 0, 0 },
    { "--timeout", OPTION_NUMBER, &cli.timeout_s, "SECONDS",
      "for the disk to appear, to connect, to close (10)", 0, 86400 },
    { "--json", OPTION_FLAG, &cli.has_json, NULL,
      "info, verify and bench speak JSON", 0, 0 },
    { "--help", OPTION_FLAG, &wants_help, NULL, "this text", 0, 0 },
    { "--version", OPTION_FLAG, &wants_version, NULL, "the version", 0, 0 },
    { 0 },
};

static const struct command *const commands[] = {
    &command_info, &command_read, &command_write, &command_flush,
    &command_barrier, &command_copy, &command_verify, &command_bench,
};
enum { NR_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void)
{
    puts("Usage: vbdfront [OPTION...] COMMAND [WORD...]\n"
         "Be a guest and use its PV disk.\n");
    options_print(global_options, stdout);
    for (unsigned i = 0; i < NR_COMMANDS; i++) {
        printf("\n  %s%s%s\n      %s\n", commands[i]->name,
               *commands[i]->words ? " " : "", commands[i]->words,
               commands[i]->summary);
        options_print(commands[i]->options, stdout);
    }
    puts("\nExit status: 0 done, 1 failed, 2 not understood.");
}

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; i < NR_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    log_error("%s is not a command: see vbdfront --help", name);
    return NULL;
}

static int run(const struct command *command, int argc, char **argv)
{
    int status, closed;

    if (!options_take(command->options, &argc, argv, false) ||
        !command->check(argc, argv))
        return EXIT_USAGE;
    if (!cli.local_dir) {
        log_error("--local is missing: there is no other way to a disk yet");
        return EXIT_USAGE;
    }
    if (vdev_parse(cli.vdev_name, &cli.vdev) < 0) {
        log_error("--vdev is \"%s\", expected xvda, hda, sda or a number",
                  cli.vdev_name);
        return EXIT_USAGE;
    }
    status = disk_open(&cli);
    if (status == EXIT_OK)
        status = command->run(&cli, argc, argv);
    closed = disk_close(&cli);
    if (fflush(stdout) != 0 && status == EXIT_OK) {
        log_error("standard output cannot be written");
        status = EXIT_FAILED;
    }
    return status ? status : closed;
}

int main(int argc, char **argv)
{
    const struct command *command;

    log_init("vbdfront", LOG_LEVEL_WARNING);
    argc--;
    argv++;
    if (!options_take(global_options, &argc, argv, true))
        return EXIT_USAGE;
    if (wants_help || wants_version) {
        if (wants_help)
            print_help();
        else
            puts(PACKAGE_STRING);
        return EXIT_OK;
    }
    if (argc == 0) {
        log_error("there is no command: see vbdfront --help");
        return EXIT_USAGE;
    }
    command = find_command(argv[0]);
    return command ? run(command, argc - 1, argv + 1) : EXIT_USAGE;
}
