/* SPDX-License-Identifier: MIT
 * vbdfront: a guest's disk from the command line. */
#include "tools/vbdfront/cli.h"

#include <string.h>

#include "common/host/vdev.h"
#include "config.h"

static bool wants_help, wants_version;
static uint64_t queues = 1, ring_page_order = 4, indirect = 256;
static const char *abi = "native";
static struct cli cli = { .timeout_s = 10, .vdev_name = "xvda" };

static const struct option global_options[] = {
    { "--local", OPTION_TEXT, &cli.local_dir, "DIR",
      "the folder of the local stand-in (vbdd-local DIR); without, this is "
      "a guest of Xen's", 0, 0 },
    { "--domid", OPTION_NUMBER, &cli.domid, "N",
      "the domain to be, with --local (1)", 1, 0x7fef },
    { "--vdev", OPTION_TEXT, &cli.vdev_name, "NAME",
      "its disk: xvda, hda, sda or a number (xvda)", 0, 0 },
    { "--timeout", OPTION_NUMBER, &cli.timeout_s, "SECONDS",
      "for the disk to appear, to connect, to close (10)", 0, 86400 },
    { "--as", OPTION_TEXT, &cli.as, "PROFILE,...",
      "as another system's driver; \"help\" lists them", 0, 0 },
    { "--queues", OPTION_NUMBER, &queues, "N",
      "at most so many rings (1)", 1, 4 },
    { "--ring-page-order", OPTION_NUMBER, &ring_page_order, "N",
      "at most 2^N pages a ring (4)", 0, 4 },
    { "--indirect", OPTION_NUMBER, &indirect, "SEGMENTS",
      "at most so many pages a request, 0: 11 (256)", 0, 256 },
    { "--persistent", OPTION_FLAG, &cli.config.use_persistent, NULL,
      "grants that stay, if the back end wants them", 0, 0 },
    { "--untrusted", OPTION_FLAG, &cli.config.is_untrusted, NULL,
      "the back end sees no byte but those of requests", 0, 0 },
    { "--abi", OPTION_TEXT, &abi, "NAME",
      "layout of the ring: native, x86_32 or x86_64 (native)", 0, 0 },
    { "--json", OPTION_FLAG, &cli.has_json, NULL,
      "info, verify and bench speak JSON", 0, 0 },
    { "--help", OPTION_FLAG, &wants_help, NULL, "this text", 0, 0 },
    { "--version", OPTION_FLAG, &wants_version, NULL, "the version", 0, 0 },
    { 0 },
};

static const struct command *const commands[] = {
    &command_info, &command_read, &command_write, &command_flush,
    &command_barrier, &command_discard, &command_copy, &command_verify,
    &command_bench,
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

static void print_profiles(void)
{
    for (const struct profile *at = profiles; at->name; at++)
        printf("%-12s %s\n", at->name, at->summary);
}

/* Judges all names of --as before anything is opened. */
static bool check_profiles(const char *list)
{
    if (!list)
        return true;
    do {
        if (!profile_take(&list))
            return false;
    } while (*list);
    return true;
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

/* The rest of the configuration; the flags are there already. */
static bool set_config(void)
{
    static const char *const abis[] = {
        [VBDFRONT_ABI_NATIVE] = "native", [VBDFRONT_ABI_X86_32] = "x86_32",
        [VBDFRONT_ABI_X86_64] = "x86_64" };

    cli.config.max_queues = (uint32_t)queues;
    cli.config.max_ring_page_order = (uint32_t)ring_page_order;
    cli.config.max_indirect_segments = (uint32_t)indirect;
    for (unsigned i = 0; i < sizeof abis / sizeof *abis; i++) {
        if (strcmp(abi, abis[i]) == 0) {
            cli.config.abi = (enum vbdfront_abi)i;
            return true;
        }
    }
    log_error("--abi is \"%s\", expected native, x86_32 or x86_64", abi);
    return false;
}

/* Who we are: any domain of the stand-in, or the one that Xen has made. */
static bool check_domain(void)
{
    if (!cli.local_dir && cli.domid) {
        log_error("--domid is for --local");
        return false;
    }
    if (!cli.local_dir && platform_lacks_xen()) {
        log_error("--local is missing, and %s", platform_lacks_xen());
        return false;
    }
    if (!cli.domid)
        cli.domid = 1;
    return true;
}

static int run(const struct command *command, int argc, char **argv)
{
    int status, closed;

    if (!options_take(command->options, &argc, argv, false) ||
        !command->check(argc, argv))
        return EXIT_USAGE;
    if (!check_domain())
        return EXIT_USAGE;
    if (vdev_parse(cli.vdev_name, &cli.vdev) < 0) {
        log_error("--vdev is \"%s\", expected xvda, hda, sda or a number",
                  cli.vdev_name);
        return EXIT_USAGE;
    }
    if (!set_config() || !check_profiles(cli.as))
        return EXIT_USAGE;
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
    vbdfront_get_defaults(&cli.config);
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
    if (cli.as && strcmp(cli.as, "help") == 0) {
        print_profiles();
        return EXIT_OK;
    }
    if (argc == 0) {
        log_error("there is no command: see vbdfront --help");
        return EXIT_USAGE;
    }
    command = find_command(argv[0]);
    return command ? run(command, argc - 1, argv + 1) : EXIT_USAGE;
}
