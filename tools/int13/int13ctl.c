/* SPDX-License-Identifier: MIT
 * int13ctl: the int13 agent by hand and for shell tests, and stamped sectors
 * for whoever has another way to the same disk. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"
#include "tools/int13/client.h"
#include "tools/options/options.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char *socket_path;
static uint64_t writer = AGENT_WRITER, times;

/* What a command line says, in numbers. */
struct words {
    uint64_t sector, sequence, count;
};

struct verb {
    const char *name;
    uint8_t op; /* 0: no agent is asked */
    const char *words;
    int min_words; /* one more is a count, if any are taken */
    uint64_t max_count;
    int (*run)(const struct verb *verb, const struct words *words);
};

static void print_stamp(enum stamp_state state, const struct stamp *stamp)
{
    switch (state) {
    case STAMP_GOOD:
        printf("sector %" PRIu64 " writer %u sequence %" PRIu64 "\n",
               stamp->sector, stamp->writer, stamp->sequence);
        break;
    case STAMP_ZEROS:
        puts("zeros");
        break;
    case STAMP_TORN:
        puts("torn");
        break;
    case STAMP_FOREIGN:
        puts("foreign");
        break;
    }
}

/* The agent sends a sector's first stamp, and whether the rest is the same. */
static void print_sector(const uint8_t bytes[STAMP_BYTES], bool is_torn)
{
    uint8_t sector_data[STAMP_SECTOR_BYTES];
    struct stamp stamp;
    enum stamp_state state;

    for (unsigned i = 0; i < STAMP_COPIES; i++)
        memcpy(sector_data + i * STAMP_BYTES, bytes, STAMP_BYTES);
    state = stamp_look(sector_data, &stamp);
    print_stamp(is_torn && state == STAMP_GOOD ? STAMP_TORN : state, &stamp);
}

static struct stamp stamp_of(const struct words *words, unsigned index)
{
    return (struct stamp){ .writer = (uint32_t)writer,
                           .sequence = words->sequence,
                           .sector = words->sector + index };
}

static int fail(const char *what, int error)
{
    log_error("%s: %s", what, strerror(-error));
    return EXIT_FAILED;
}

static int run_hello(const struct verb *verb, const struct words *words)
{
    int fd = agent_connect(socket_path);
    int error = fd < 0 ? fd : agent_wait_hello(fd);

    (void)words;
    return error ? fail(verb->name, error) : EXIT_OK;
}

static void print_answer(const struct agent_command *command,
                         uint8_t (*stamps)[STAMP_BYTES], unsigned torn)
{
    uint64_t sectors;

    if (command->op == AGENT_READ || command->op == AGENT_MAILBOX) {
        for (unsigned i = 0; i < command->count; i++)
            print_sector(stamps[i], torn >> i & 1);
    } else if (command->op == AGENT_INFO) {
        memcpy(&sectors, stamps[0], sizeof sectors);
        printf("sectors %" PRIu64 "\n", le64toh(sectors));
    }
}

static int call_once(int fd, const struct verb *verb,
                     const struct agent_command *command,
                     uint8_t (*stamps)[STAMP_BYTES],
                     struct agent_answer *answer)
{
    int error = agent_call(fd, command, stamps, answer);

    if (error)
        return fail(verb->name, error);
    if (answer->status) {
        log_error("%s: the guest was told error %02xh", verb->name,
                  answer->status);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int run_call(const struct verb *verb, const struct words *words)
{
    uint8_t stamps[AGENT_MAX_COUNT][STAMP_BYTES];
    struct agent_command command = { .op = verb->op,
                                     .count = (uint8_t)words->count,
                                     .sector = words->sector };
    struct agent_answer answer;
    int fd = agent_connect(socket_path), status = EXIT_OK;
    uint64_t start = host_now_us();

    if (fd < 0)
        return fail(socket_path, fd);
    for (unsigned i = 0; verb->op == AGENT_WRITE && i < command.count; i++) {
        struct stamp stamp = stamp_of(words, i);

        stamp_put(stamps[i], &stamp);
    }
    for (uint64_t n = 0; n < (times ? times : 1) && !status; n++) {
        command.tag = (uint16_t)n;
        status = call_once(fd, verb, &command, stamps, &answer);
    }
    if (status)
        return status;
    print_answer(&command, stamps, answer.torn);
    if (times)
        printf("%.0f a second\n", (double)times * 1e6 /
               (double)(host_now_us() - start + 1));
    return EXIT_OK;
}

static int run_fill(const struct verb *verb, const struct words *words)
{
    uint8_t sector_data[STAMP_SECTOR_BYTES];

    for (unsigned i = 0; i < words->count; i++) {
        struct stamp stamp = stamp_of(words, i);

        stamp_fill(sector_data, &stamp);
        fwrite(sector_data, sizeof sector_data, 1, stdout);
    }
    return fflush(stdout) ? fail(verb->name, -errno) : EXIT_OK;
}

static int run_look(const struct verb *verb, const struct words *words)
{
    uint8_t sector_data[STAMP_SECTOR_BYTES];
    struct stamp stamp;
    unsigned seen = 0;

    (void)words;
    for (; fread(sector_data, sizeof sector_data, 1, stdin) == 1; seen++)
        print_stamp(stamp_look(sector_data, &stamp), &stamp);
    return seen ? EXIT_OK : fail(verb->name, -ENODATA);
}

static const struct verb verbs[] = {
    { "hello", 0, "", 0, 1, run_hello },
    { "info", AGENT_INFO, "", 0, 1, run_call },
    { "mailbox", AGENT_MAILBOX, "", 0, 1, run_call },
    { "read", AGENT_READ, "SECTOR [COUNT]", 1, AGENT_MAX_COUNT, run_call },
    { "write", AGENT_WRITE, "SECTOR SEQUENCE [COUNT]", 2, AGENT_MAX_COUNT,
      run_call },
    { "flush", AGENT_FLUSH, "", 0, 1, run_call },
    { "load", AGENT_LOAD, "SECTOR [COUNT]", 1, AGENT_MAX_BULK, run_call },
    { "store", AGENT_STORE, "SECTOR [COUNT]", 1, AGENT_MAX_BULK, run_call },
    { "quit", AGENT_QUIT, "", 0, 1, run_call },
    { "fill", 0, "SECTOR SEQUENCE [COUNT]", 2, UINT32_MAX, run_fill },
    { "look", 0, "", 0, 1, run_look },
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static bool wants_help;
static const struct option options[] = {
    { "--socket", OPTION_TEXT, &socket_path, "PATH",
      "QEMU's serial line (-serial unix:PATH,server=on)", 0, 0 },
    { "--writer", OPTION_NUMBER, &writer, "N",
      "whose stamps (13, the agent's)", 1, UINT32_MAX },
    { "--time", OPTION_NUMBER, &times, "N",
      "do it so often, and tell the speed", 1, UINT32_MAX },
    { "--help", OPTION_FLAG, &wants_help, NULL, "this text", 0, 0 },
    { 0 },
};

static void print_help(void)
{
    puts("Usage: int13ctl [OPTION...] COMMAND [WORD...]\n"
         "Tell the int13 agent what to do; stamped sectors.\n");
    options_print(options, stdout);
    puts("");
    for (unsigned i = 0; i < VERBS; i++)
        printf("  %s %s\n", verbs[i].name, verbs[i].words);
    puts("\nhello waits for a machine that was started with wait=on. fill "
         "writes stamped\nsectors to standard output, look tells what is "
         "stamped on standard input.\nSectors have 512 bytes. "
         "Exit status: 0 done, 1 failed, 2 not understood.");
}

static bool take_words(const struct verb *verb, char **argv, int argc,
                       struct words *words)
{
    const int most = verb->min_words ? verb->min_words + 1 : 0;
    static const char *const names[] = { "SECTOR", "SEQUENCE" };
    uint64_t *const to[] = { &words->sector, &words->sequence };

    *words = (struct words){ .count = 1 };
    if (!options_check_words(verb->name, verb->words, argc, verb->min_words,
                             most))
        return false;
    for (int i = 0; i < argc; i++) {
        bool is_count = i == verb->min_words;

        if (!options_parse_number(is_count ? "COUNT" : names[i], argv[i],
                                  OPTION_NUMBER, is_count ? 1 : 0,
                                  is_count ? verb->max_count : UINT64_MAX,
                                  is_count ? &words->count : to[i]))
            return false;
    }
    return true;
}

static const struct verb *find_verb(const char *name)
{
    for (unsigned i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    log_error("%s is not a command: see int13ctl --help", name);
    return NULL;
}

int main(int argc, char **argv)
{
    const struct verb *verb;
    struct words words;

    log_init("int13ctl", LOG_LEVEL_INFO);
    argc--, argv++;
    if (!options_take(options, &argc, argv, false))
        return EXIT_USAGE;
    if (wants_help) {
        print_help();
        return EXIT_OK;
    }
    verb = find_verb(argc ? argv[0] : "nothing");
    if (!verb || !take_words(verb, argv + 1, argc - 1, &words))
        return EXIT_USAGE;
    if (!socket_path && verb->run != run_fill && verb->run != run_look) {
        log_error("%s wants --socket", verb->name);
        return EXIT_USAGE;
    }
    return verb->run(verb, &words);
}
