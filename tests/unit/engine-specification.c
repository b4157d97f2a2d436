/* SPDX-License-Identifier: MIT
 * Claim: a specification is opened as it says or refused with a sentence that
 * names what is wrong, and a refusal leaves nothing behind.
 * Source: engine.h, engine_open(); vbddengines(7).
 * Mechanism: a table of specifications with the error and a piece of the
 * sentence that each must give; descriptors are counted before and after. */
#include "config.h"

#include "tests/unit/engine-test.h"

struct refusal {
    const char *specification;
    int error;
    const char *sentence; /* a piece of it */
};

static struct engine_config config = { .fd = -1, .size_bytes = 1 << 20 };

static int try_open(const char *specification, struct engine **engine)
{
    memset(reason, 0, sizeof reason);
    return engine_open(specification, &config, engine, reason, sizeof reason);
}

static void check_table(const struct refusal *refusals, unsigned count)
{
    int before = dup(0), after;

    close(before);
    for (unsigned i = 0; i < count; i++) {
        struct engine *engine = (struct engine *)1;

        CHECK_EQ(try_open(refusals[i].specification, &engine),
                 refusals[i].error);
        if (!CHECK(strstr(reason, refusals[i].sentence) != NULL))
            NOTE("'%s': \"%s\", not \"%s\"", refusals[i].specification,
                 reason, refusals[i].sentence);
        CHECK(engine == NULL);
    }
    after = dup(0);
    close(after);
    CHECK_EQ(after, before); /* no descriptor was left open */
}

#define CHECK_TABLE(table) check_table(table, sizeof table / sizeof *table)

static void check_stacks(void)
{
    static const struct refusal refusals[] = {
        { "", -EINVAL, "name of an engine is missing" },
        { "/mem", -EINVAL, "name of an engine is missing" },
        { "mem/", -EINVAL, "name of an engine is missing" },
        { "error//mem", -EINVAL, "name of an engine is missing" },
        { ":size=1M", -EINVAL, "name of an engine is missing" },
        { "uring", -EINVAL, "unknown engine 'uring': expected null" },
        { "error/Mem", -EINVAL, "unknown engine 'Mem'" },
        { "error:file=/x/mem", -EINVAL, "unknown engine 'x'" },
        { "error", -EINVAL, "'error' stores nothing" },
        { "mem/error", -EINVAL, "'mem' stores and must come last" },
        { "log:file=x/delay", -EINVAL, "'delay' stores nothing" },
        { "mem/null", -EINVAL, "'mem' stores and must come last" },
        { "error/aio/delay/mem", -EINVAL, "'aio' stores and must come last" },
        { "error/error/error/error/error/error/error/error/error/error/error/"
          "error/error/error/error/error/mem", -EINVAL, "more than 16" },
    };

    CHECK_TABLE(refusals);
}

static void check_parameters(void)
{
    static const struct refusal refusals[] = {
        { "mem:size", -EINVAL, "mem: 'size' is not of the form key=value" },
        { "mem:=1", -EINVAL, "mem: '=1' is not of the form" },
        { "mem:size=1M,", -EINVAL, "nothing follows the last ','" },
        { "mem:,size=1M", -EINVAL, "mem: '' is not of the form" },
        { "mem:sizes=1M", -EINVAL, "mem has no parameter 'sizes'" },
        { "mem:size=1M,block=512,size=1M", -EINVAL, "'size' is given twice" },
        { "mem:zero=yes", -EINVAL, "mem has no parameter 'zero'" },
        { "null:zero=maybe", -EINVAL, "zero='maybe': expected yes or no" },
        { "mem:size=", -EINVAL, "size='': expected a size such as" },
        { "mem:size=-1", -EINVAL, "size='-1': expected a size" },
        { "mem:size= 1", -EINVAL, "size=' 1': expected a size" },
        { "mem:size=1MB", -EINVAL, "size='1MB': expected a size" },
        { "mem:size=0x10", -EINVAL, "size='0x10': expected a size" },
        { "mem:size=18446744073709551616", -ERANGE, "expected a size" },
        { "mem:size=16777216T", -ERANGE, "size='16777216T': expected" },
        { "mem:size='1M", -EINVAL, "expected a size" },
        { "mem:size=1'M'", -EINVAL, "expected a size" },
        { "aio:reap=often", -EINVAL, "reap='often': expected ring or" },
        { "delay:read=5/mem", -EINVAL, "read='5': expected a duration" },
        { "delay:read=5m/mem", -EINVAL, "read='5m': expected a duration" },
        { "delay:seek=5ms/mem", -EINVAL, "delay has no parameter 'seek'" },
        { "cache:evict=5/mem", -EINVAL, "evict='5': expected a percentage" },
        { "cache:evict=101%/mem", -ERANGE, "evict='101%': expected" },
        { "cache:evict=1%%/mem", -EINVAL, "evict='1%%': expected" },
        { "cache:size=1M", -EINVAL, "'cache' stores nothing" },
        { "error:read=EFOO/mem", -EINVAL, "read='EFOO': expected the name" },
        { "error:read=5/mem", -EINVAL, "read='5': expected the name" },
        { "error:read=/mem", -EINVAL, "read='': expected the name" },
        { "error:count=2K/mem", -EINVAL, "count='2K': expected a number" },
        { "error:every=0/mem", -EINVAL, "every='0': expected 1 or more" },
        { "error:range=5/mem", -EINVAL, "range='5': expected OFFSET+LENGTH" },
        { "error:range=5+0/mem", -ERANGE, "range='5+0': expected OFFSET" },
        { "error:range=1+16777216T/mem", -ERANGE, "expected OFFSET+LENGTH" },
        { "error:range=16777215T+1T/mem", -ERANGE, "expected OFFSET+LENGTH" },
        { "error:file=/mem", -EINVAL, "file='': expected a text" },
        { "log/mem", -EINVAL, "log: needs file=" },
        { "log:file='/no/such/place'/mem", -ENOENT,
          "log: cannot open '/no/such/place': No such file" },
    };

    CHECK_TABLE(refusals);
}

static void check_disks(void)
{
    static const struct refusal refusals[] = {
        { "mem:size=1000", -EINVAL, "mem: a disk of 1000 bytes: expected" },
        { "null:size=0", -EINVAL, "null: a disk of 0 bytes: expected" },
        { "mem:block=1024", -EINVAL, "a block of 1024 bytes: expected 512" },
        { "mem:block=1T", -EINVAL, "a block of 4294967295 bytes: expected" },
        { "mem:block=0", -EINVAL, "a block of 0 bytes: expected 512" },
        { "mem:block=4K,size=1536", -EINVAL, "expected blocks of 4096 bytes" },
        { "mem:physical=256", -EINVAL, "a physical block of 256 bytes" },
        { "mem:physical=1536", -EINVAL, "power of two, 512 or more" },
        { "mem:size=1000000T", -ENOMEM, "mem: no address space for a disk" },
    };

    CHECK_TABLE(refusals);
}

static void refuse_aio(int fd, int error, const char *sentence)
{
    struct engine *engine;

    config.fd = fd;
    CHECK_EQ(try_open("error/aio", &engine), error);
    if (!CHECK(strstr(reason, sentence) != NULL))
        NOTE("\"%s\"", reason);
    config.fd = -1;
}

static void check_aio_targets(void)
{
    struct engine_config saved = config;
    int fd;

    config.size_bytes = 0;
    refuse_aio(-1, -EBADF, "aio: needs an open descriptor");
    fd = open("/dev/null", O_RDWR);
    refuse_aio(fd, -EINVAL, "neither a block device nor a regular file");
    close(fd);
    fd = open(".", O_RDONLY);
    refuse_aio(fd, -EINVAL, "neither a block device nor a regular file");
    close(fd);
    fd = file_target(1 << 20, O_RDONLY);
    refuse_aio(fd, -EROFS, "aio: the target was opened read-only");
    close(fd);
    fd = file_target(511, O_RDWR);
    refuse_aio(fd, -EINVAL, "aio: the target is smaller than one block");
    close(fd);
    fd = file_target(1 << 20, O_RDWR);
    config.size_bytes = 2 << 20;
    refuse_aio(fd, -EINVAL, "a disk of 2097152 bytes: expected a multiple of "
                            "512, at most 1048576");
    config.size_bytes = 1000;
    refuse_aio(fd, -EINVAL, "a disk of 1000 bytes: expected a multiple");
    close(fd);
    config = saved;
}

static int loop_fd;

static void check_read_only_device(void)
{
    int is_read_only = 1;

    config.size_bytes = 0;
    REQUIRE(ioctl(loop_fd, BLKROSET, &is_read_only) == 0);
    refuse_aio(loop_fd, -EROFS, "aio: the block device is read-only");
    is_read_only = 0;
    REQUIRE(ioctl(loop_fd, BLKROSET, &is_read_only) == 0);
    config.size_bytes = 1 << 20;
}

/* What this specification opens; all zero if it does not. */
static struct engine_info open_info(const char *specification)
{
    struct engine_info info = { 0 };
    struct engine *engine;

    if (try_open(specification, &engine) == 0) {
        info = engine->info;
        engine_close(engine);
    } else {
        NOTE("%s", reason);
    }
    return info;
}

static void check_values(void)
{
    int fd = file_target((1 << 20) + 700, O_RDWR);

    CHECK_EQ(open_info("mem").size_bytes, 1 << 20);
    CHECK_EQ(open_info("mem:size=64K").size_bytes, 64 << 10);
    CHECK_EQ(open_info("mem:size='64K'").size_bytes, 64 << 10);
    CHECK_EQ(open_info("null:size=5T").size_bytes, 5ull << 40);
    CHECK_EQ(open_info("null:size=3G,zero=yes").size_bytes, 3ull << 30);
    CHECK_EQ(open_info("null:size=512").size_bytes, 512);
    CHECK_EQ(open_info("mem:block=4K").block_bytes, 4096);
    CHECK_EQ(open_info("mem:block=4096").physical_bytes, 4096);
    CHECK_EQ(open_info("mem:physical=4K").block_bytes, 512);
    CHECK_EQ(open_info("mem:physical=4K").physical_bytes, 4096);
    CHECK(open_info("error:retry=yes/mem").flush_retry);
    CHECK(!open_info("error:retry=no/error:retry=yes/mem").flush_retry);
    CHECK_EQ(open_info("error:file='a/b,c:d=e'/mem").size_bytes, 1 << 20);
    config.fd = fd;
    config.size_bytes = 0;
    CHECK_EQ(open_info("aio").size_bytes, (1 << 20) + 512);
    config.size_bytes = 4096;
    CHECK_EQ(open_info("delay/aio").size_bytes, 4096);
    config = (struct engine_config){ .fd = -1, .size_bytes = 1 << 20,
                                     .block_bytes = 4096 };
    CHECK_EQ(open_info("mem").block_bytes, 4096);
    config.block_bytes = 0;
    close(fd);
}

static void check_close_of_nothing(void)
{
    engine_close(NULL);
    CHECK(true);
}

int main(void)
{
    loop_fd = loop_target(1 << 20, 512, O_RDWR);
    if (loop_fd >= 0)
        TEST("a read-only block device is not opened for writing",
             check_read_only_device);
    else
        tap_skip("a read-only block device is not opened for writing",
                 "root and a free loop device");
    close(loop_fd);
    TEST("a stack that cannot be is refused with its reason", check_stacks);
    TEST("a parameter that cannot be is refused with its reason",
         check_parameters);
    TEST("a made-up disk that cannot be is refused with its reason",
         check_disks);
    TEST("a target that aio cannot use is refused with its reason",
         check_aio_targets);
    TEST("sizes, blocks and quotes mean what they say", check_values);
    TEST("nothing can be closed", check_close_of_nothing);
    return tap_done();
}
