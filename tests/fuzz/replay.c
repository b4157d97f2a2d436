/* SPDX-License-Identifier: MIT
 * Claim: what the fuzzers have found interesting so far breaks nothing, in
 * this build either. Mechanism: a harness, without a fuzzing engine, on each
 * file of its corpus (tests/fuzz/corpus/NAME), or on the files that are named
 * on the command line: those that a fuzzer left behind. The input that does
 * not pass is the last one that is named. */
#include <dirent.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

enum { MOST_BYTES = 1 << 16 };

static char corpus[4096];

/* A block exactly as long as the input: a sanitizer sees who reads on. */
static void replay(const char *path)
{
    static uint8_t bytes[MOST_BYTES];
    FILE *file = fopen(path, "rb");
    size_t size;
    uint8_t *data;

    REQUIRE(file);
    size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    data = malloc(size ? size : 1);
    REQUIRE(data);
    memcpy(data, bytes, size);
    NOTE("%s", path);
    CHECK_EQ(LLVMFuzzerTestOneInput(data, size), 0);
    free(data);
}

static void replay_corpus(void)
{
    DIR *dir = opendir(corpus);
    struct dirent *entry;

    REQUIRE(dir);
    while ((entry = readdir(dir))) {
        static char path[sizeof(corpus) + sizeof(entry->d_name) + 1];

        snprintf(path, sizeof(path), "%s/%s", corpus, entry->d_name);
        if (entry->d_name[0] != '.')
            replay(path);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    const char *source = getenv("top_srcdir");

    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc > 1)
        return 0;
    snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/" FUZZ_NAME,
             source ? source : ".");
    TEST("no input of the corpus " FUZZ_NAME " breaks anything",
         replay_corpus);
    return tap_done();
}
