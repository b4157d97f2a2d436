/* SPDX-License-Identifier: MIT
 * The test harness of the C tests: TAP on standard output, one test a
 * sentence. A test that checks nothing is itself a failure.
 *
 *     static void check_order(void) { CHECK(a < b); CHECK_EQ(n, 3); }
 *     int main(void)
 *     {
 *         TEST("a producer index past the ring is refused", check_order);
 *         return tap_done();
 *     }
 *
 * VBDD_TEST_SCALE=n in the environment asks for 1/n of the usual work
 * (valgrind); VBDD_TEST_SEED=n replays a run. */
#ifndef VBDD_TESTS_TAP_H
#define VBDD_TESTS_TAP_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned tap_tests, tap_failed_tests, tap_checks, tap_failures;

#define CHECK(cond) tap_check(!!(cond), __FILE__, __LINE__, #cond)
#define CHECK_EQ(got, want)                                                  \
    tap_check_eq((long long)(got), (long long)(want), __FILE__, __LINE__,    \
                 #got)
#define CHECK_STR(got, want)                                                 \
    tap_check_str((got), (want), __FILE__, __LINE__, #got)
/* A figure or a remark for whoever reads the log. */
#define NOTE(...) (printf("# " __VA_ARGS__), printf("\n"), fflush(stdout))
/* A step without which the rest of the program makes no sense. */
#define REQUIRE(cond)                                                        \
    do {                                                                     \
        if (!(cond)) {                                                       \
            printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #cond);      \
            exit(99);                                                        \
        }                                                                    \
    } while (0)
#define TEST(sentence, function) tap_run((sentence), (function))

static inline int tap_check(int ok, const char *file, int line,
                            const char *text)
{
    tap_checks++;
    if (!ok && tap_failures++ < 10)
        printf("# %s:%d: not true: %s\n", file, line, text);
    return ok;
}

static inline int tap_check_eq(long long got, long long want,
                               const char *file, int line, const char *text)
{
    int ok = tap_check(got == want, file, line, text);

    if (!ok && tap_failures <= 10)
        printf("#   got %lld, want %lld\n", got, want);
    return ok;
}

static inline int tap_check_str(const char *got, const char *want,
                                const char *file, int line, const char *text)
{
    int ok = tap_check(got && strcmp(got, want) == 0, file, line, text);

    if (!ok && tap_failures <= 10)
        printf("#   got \"%s\", want \"%s\"\n", got ? got : "(null)", want);
    return ok;
}

/* Not inlined: each test has a stack frame of its own. */
__attribute__((noinline, unused)) static void
tap_run(const char *sentence, void (*function)(void))
{
    tap_checks = tap_failures = 0;
    function();
    if (tap_checks == 0)
        printf("# this test checked nothing\n");
    if (tap_checks == 0 || tap_failures > 0)
        tap_failed_tests++;
    printf("%s %u - %s\n",
           tap_checks == 0 || tap_failures > 0 ? "not ok" : "ok",
           ++tap_tests, sentence);
    fflush(stdout);
}

static inline void tap_skip(const char *sentence, const char *missing)
{
    printf("ok %u - %s # SKIP needs %s\n", ++tap_tests, sentence, missing);
}

static inline int tap_done(void)
{
    printf("1..%u\n", tap_tests);
    return tap_failed_tests ? 1 : 0;
}

static inline unsigned long tap_env(const char *name, unsigned long fallback)
{
    const char *value = getenv(name);

    return value && *value ? strtoul(value, NULL, 0) : fallback;
}

/* n, or 1/VBDD_TEST_SCALE of it, but at least 1. */
static inline unsigned long tap_scaled(unsigned long n)
{
    unsigned long scale = tap_env("VBDD_TEST_SCALE", 1);

    n /= scale ? scale : 1;
    return n ? n : 1;
}

/* The seed of this run, printed so that it can be replayed. */
static inline uint64_t tap_seed(void)
{
    uint64_t seed = tap_env("VBDD_TEST_SEED", (unsigned long)time(NULL));

    NOTE("seed %llu (replay with VBDD_TEST_SEED)", (unsigned long long)seed);
    return seed;
}

#endif
