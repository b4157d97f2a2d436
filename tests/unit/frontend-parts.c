/* SPDX-License-Identifier: MIT
 * Claim: the parts of vbdfront that can be wrong quietly are right: names of
 * disks (xen-vbd-interface(7), as libxl numbers them), option values,
 * the latency histogram. Mechanism: known answers, edges, and a histogram
 * against sorting. */
#include "tests/unit/tap.h"

#include "tools/vbdfront/cli.h"
#include "tools/vbdfront/histogram.h"

/* --- options ------------------------------------------------------------ */

static bool flag;
static const char *text;
static uint64_t number, size;
static struct option_list list;
static const struct option table[] = {
    { "--flag", OPTION_FLAG, &flag, NULL, "", 0, 0 },
    { "--text", OPTION_TEXT, &text, "T", "", 0, 0 },
    { "--number", OPTION_NUMBER, &number, "N", "", 2, 9 },
    { "--list", OPTION_LIST, &list, "L", "", 0, 0 },
    { "--size", OPTION_SIZE, &size, "N", "", 0, UINT64_MAX },
    { 0 },
};

/* line is split at blanks; -1 when it was refused, else the words left. */
static int take(const char *line, bool stops_at_word)
{
    static char copy[256];
    char *argv[16];
    int argc = 0;

    flag = false;
    text = NULL;
    number = size = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    if (!options_take(table, &argc, argv, stops_at_word))
        return -1;
    return argc;
}

static void check_options(void)
{
    CHECK_EQ(take("a --flag b --number 3 --size=4K c --text x", false), 3);
    CHECK(flag);
    CHECK_EQ(number, 3);
    CHECK_EQ(size, 4096);
    CHECK_STR(text, "x");
    CHECK_EQ(take("--flag command --text x", true), 3);
    CHECK(flag && !text);
    CHECK_EQ(take("a -- --flag", false), 2);
    CHECK(!flag);
    CHECK_EQ(take("- --text -", false), 1);
    CHECK_STR(text, "-");
    CHECK_EQ(take("--size 16777215G", false), 0);
    CHECK_EQ(size, 16777215ull << 30);
    CHECK_EQ(take("--size 18446744073709551615", false), 0);
    CHECK_EQ(size, UINT64_MAX);
}

static void check_list(void)
{
    CHECK_EQ(take("--list a --flag --list=b", false), 0);
    CHECK_EQ(list.nr, 2);
    CHECK_STR(list.texts[1], "b");
    while (list.nr < OPTION_LIST_LENGTH)
        CHECK_EQ(take("--list more", false), 0);
    CHECK_EQ(take("--list one-too-many", false), -1);
    CHECK_EQ(list.nr, OPTION_LIST_LENGTH);
}

static void check_bad_options(void)
{
    static const char *const bad[] = {
        "--other", "--fla", "--flags", "--flag=1", "--text", "--number",
        "--number 1", "--number 10", "--number x", "--number 3x",
        "--number -3", "--number +3", "--number=", "--number 3K",
        "--size 4k", "--size K", "--size 4KK", "--size 17179869184G",
        "--size 18446744073709551616", "--size 0x10",
    };

    log_init("expected", LOG_LEVEL_ERROR);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!CHECK_EQ(take(bad[i], false), -1))
            NOTE("%s", bad[i]);
    }
}

/* --- histogram ---------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void check_percentiles(void)
{
    enum { NR = 20000 };
    static uint64_t values[NR];
    static const double parts[] = { 0, 0.01, 0.5, 0.99, 0.999, 1 };
    static struct histogram histogram;
    uint64_t random = tap_seed();

    for (unsigned i = 0; i < NR; i++) { /* of every magnitude */
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        values[i] = random >> (random >> 58);
        histogram_add(&histogram, values[i]);
    }
    qsort(values, NR, sizeof *values, compare);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        unsigned rank = (unsigned)(parts[i] * NR + 0.9999);
        uint64_t exact = values[rank ? rank - 1 : 0];
        uint64_t got = histogram_percentile(&histogram, parts[i]);

        CHECK(got >= exact);
        CHECK(got - exact <= exact / 32);
    }
    CHECK_EQ(histogram_percentile(&histogram, 1), values[NR - 1]);
}

static void check_histogram_edges(void)
{
    static struct histogram empty, one, huge;

    CHECK_EQ(histogram_percentile(&empty, 0.5), 0);
    histogram_add(&one, 31);
    CHECK_EQ(histogram_percentile(&one, 0.5), 31);
    histogram_add(&huge, 0);
    histogram_add(&huge, UINT64_MAX);
    CHECK_EQ(histogram_percentile(&huge, 0.5), 0);
    CHECK(histogram_percentile(&huge, 1) == UINT64_MAX);
}

int main(void)
{
    TEST("options are taken out of the words", check_options);
    TEST("options that make no sense are refused", check_bad_options);
    TEST("a list takes its option again and again, to an end", check_list);
    TEST("percentiles are right to 1/32", check_percentiles);
    TEST("the histogram has no edges", check_histogram_edges);
    return tap_done();
}
