/* SPDX-License-Identifier: MIT
 * What a power cut may not take: what any path's FLUSH covered, what was
 * written with FUA, what came before a BARRIER, and its own data. Whoever
 * started the VM says what a cut would leave. */
#include "tests/vm/image/ata.h"
#include "tests/vm/image/cases.h"
#include "tests/vm/image/control.h"
#include "tests/vm/image/machine.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/steps.h"

enum { FLUSH_BEGINS_US = 100000 };

static enum verdict pv_has(bool is_offered, const char *what)
{
    NEEDS(is_offered, "the back end offers no %s", what);
    return PASS;
}

/* Not judged: a disk may keep what it was given. It only tells whether there
 * is anything to lose here. */
static enum verdict unflushed(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();

    STEP(put(this->writer, area, 8, mark));
    return control_see_durable(area, 8, mark);
}

static void say_what_is_lost(void)
{
    static const struct vm_case writes[] = {
        { NULL, NULL, unflushed, &path_int13, NULL },
        { NULL, NULL, unflushed, &path_dma, NULL },
        { NULL, NULL, unflushed, &path_pv, NULL },
    };
    static const char *const words[] = { "kept", "lost", "not known" };

    for (unsigned i = 0; i < 3; i++) {
        if (!writes[i].writer->missing)
            say("# %s writes and nobody flushes: in a power cut that is %s",
                writes[i].writer->name, words[writes[i].judge(&writes[i])]);
    }
    if (!path_pv.missing)
        path_pv.flush(); /* the cases begin with nothing unflushed */
}

static enum verdict flush_covers(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();
    int error;

    STEP(control_needs_durable());
    if (this->reader == &path_pv)
        STEP(pv_has(vbdfront_info(pv_front())->has_flush, "FLUSH"));
    STEP(put(this->writer, area, 8, mark));
    error = this->reader->flush();
    MUST(!error, "%s: FLUSH fails: error %u", this->reader->name,
         (unsigned)-error);
    return control_see_durable(area, 8, mark);
}

/* The ATA FLUSH began before PV's write was answered: it promises nothing of
 * it, and PV's FLUSH may not be content with it. */
static enum verdict second_flush(const struct vm_case *this)
{
    struct mark mark = mark_new(this->reader);
    uint64_t area = new_area();
    enum verdict verdict;
    bool runs;

    STEP(control_needs_durable());
    STEP(pv_has(vbdfront_info(pv_front())->has_flush, "FLUSH"));
    STEP(put(this->writer, area + 64, 8, mark_new(this->writer)));
    MUST(!ata_begin(ATA_FLUSH, 0, 0, NULL), "ATA FLUSH fails");
    clock_wait_us(FLUSH_BEGINS_US);
    verdict = put(this->reader, area, 8, mark);
    runs = ata_is_busy();
    if (verdict == PASS && this->reader->flush())
        verdict = failed("PV's FLUSH fails");
    if (verdict == PASS)
        verdict = control_see_durable(area, 8, mark);
    MUST(!ata_end(), "ATA FLUSH fails");
    NEEDS(runs || verdict != PASS, "the ATA FLUSH was over too soon");
    return verdict;
}

static enum verdict write_is_durable(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();

    STEP(put(this->writer, area, 8, mark));
    return control_see_durable(area, 8, mark);
}

static enum verdict without_cache(const struct vm_case *this)
{
    enum verdict verdict;

    STEP(control_needs_durable());
    NEEDS(!ata_set_write_cache(false), "the disk keeps its write cache on");
    verdict = write_is_durable(this);
    MUST(!ata_set_write_cache(true), "the disk leaves its write cache off");
    return verdict;
}

static enum verdict fua_write(const struct path *path, uint64_t sector,
                              struct mark mark)
{
    int error;

    mark_fill(buffer(0), sector, 8, mark);
    error = path == &path_pv
                ? pv_do(VBDFRONT_WRITE, VBDFRONT_FUA, sector, 8, buffer(0))
                : ata_do(ATA_DMA_FUA, sector, 8, buffer(0));
    MUST(!error, "the write fails: error %u", (unsigned)-error);
    return PASS;
}

static enum verdict fua_is_durable(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();

    if (this->writer == &path_pv)
        STEP(pv_has(vbdfront_info(pv_front())->has_flush ||
                        vbdfront_info(pv_front())->has_barrier,
                    "FLUSH and no BARRIER"));
    else
        NEEDS(ata_info()->has_fua, "the emulated disk offers no FUA");
    STEP(control_needs_durable());
    STEP(fua_write(this->writer, area, mark));
    return control_see_durable(area, 8, mark);
}

/* ---- BARRIER ------------------------------------------------------------ */

enum { BEFORE, BARRIER, AFTER, NR_IOS };
static const uint32_t offsets[NR_IOS] = { 1, 1024, 1536 };
static const uint32_t lengths[NR_IOS] = { 1023, 8, 8 };

static struct vbdfront_io ios[NR_IOS];
static unsigned order[NR_IOS], nr_done;
static int first_error;

static void note_order(struct vbdfront_io *io, int error)
{
    order[nr_done++] = (unsigned)(io - ios);
    if (error)
        first_error = error;
}

/* A long write that begins amid a block, a BARRIER with data, a short write, all
 * on the ring at once. */
static enum verdict submit_around_barrier(uint64_t area,
                                          const struct mark marks[NR_IOS])
{
    static const enum vbdfront_op ops[NR_IOS] = {
        VBDFRONT_WRITE, VBDFRONT_BARRIER, VBDFRONT_WRITE,
    };

    nr_done = 0;
    first_error = 0;
    for (unsigned i = 0; i < NR_IOS; i++) {
        uint64_t sector = area + offsets[i];

        ios[i] = (struct vbdfront_io){
            .op = ops[i], .sector = sector, .nr_sectors = lengths[i],
            .data = i == BEFORE ? buffer(2)
                                : (char *)buffer(3) + i * 4096,
            .done = note_order,
        };
        mark_fill(ios[i].data, sector, lengths[i], marks[i]);
        vbdfront_submit(pv_front(), &ios[i]);
    }
    MUST(!pv_drain(), "PV does not answer");
    MUST(!first_error, "PV does not write: error %u", (unsigned)-first_error);
    return PASS;
}

static enum verdict barrier_orders(const struct vm_case *this)
{
    struct mark marks[NR_IOS];
    uint64_t area = new_area();

    STEP(pv_has(vbdfront_info(pv_front())->has_barrier, "BARRIER"));
    for (unsigned i = 0; i < NR_IOS; i++)
        marks[i] = mark_new(this->writer);
    STEP(submit_around_barrier(area, marks));
    for (unsigned i = 0; i < NR_IOS; i++)
        MUST(order[i] == i, "answered are first number %u, then %u, then %u",
             order[0] + 1, order[1] + 1, order[2] + 1);
    for (unsigned i = 0; i < NR_IOS; i++)
        STEP(see(this->reader, area + offsets[i], lengths[i], marks[i]));
    return PASS;
}

/* Another path's write, answered before, and its own data. */
static enum verdict barrier_is_durable(const struct vm_case *this)
{
    struct mark other = mark_new(this->reader), own = mark_new(this->writer);
    uint64_t area = new_area();
    int error;

    STEP(pv_has(vbdfront_info(pv_front())->has_barrier, "BARRIER"));
    STEP(control_needs_durable());
    STEP(put(this->reader, area, 8, other));
    mark_fill(buffer(0), area + 64, 8, own);
    error = pv_do(VBDFRONT_BARRIER, 0, area + 64, 8, buffer(0));
    MUST(!error, "BARRIER fails: error %u", (unsigned)-error);
    STEP(control_see_durable(area, 8, other));
    return control_see_durable(area + 64, 8, own);
}

static const struct vm_case cases[] = {
    { "an ATA FLUSH covers int13's write", "C5; FLUSH CACHE EXT", flush_covers,
      &path_int13, &path_pio },
    { "an ATA FLUSH covers ATA DMA's write", "C5; FLUSH CACHE EXT",
      flush_covers, &path_dma, &path_dma },
    { "an ATA FLUSH covers PV's write", "C5; FLUSH CACHE EXT", flush_covers,
      &path_pv, &path_dma },
    { "PV's FLUSH covers PV's write", "C5; feature-flush-cache", flush_covers,
      &path_pv, &path_pv },
    { "PV's FLUSH covers int13's write", "C5; feature-flush-cache",
      flush_covers, &path_int13, &path_pv },
    { "PV's FLUSH covers ATA DMA's write", "C5; feature-flush-cache",
      flush_covers, &path_dma, &path_pv },
    { "PV's FLUSH does not join an ATA FLUSH that was running", "C5; "
      "feature-flush-cache, FLUSH CACHE EXT", second_flush, &path_dma,
      &path_pv },
    { "ATA DMA's write is durable while the write cache is off", "C7; SET "
      "FEATURES 82h", without_cache, &path_dma, NULL },
    { "ATA's FUA write is durable", "C7; WRITE DMA FUA EXT", fua_is_durable,
      &path_dma, NULL },
    { "PV's FUA write is durable", "C7; BLKIF_OP_FLUSH_DISKCACHE",
      fua_is_durable, &path_pv, NULL },
    { "PV's BARRIER comes after what was before it, and before the rest",
      "C6; feature-barrier", barrier_orders, &path_pv, &path_dma },
    { "PV's BARRIER covers ATA DMA's write and its own data", "C6; "
      "feature-barrier", barrier_is_durable, &path_pv, &path_dma },
};

void cases_durable(void)
{
    if (tap_judges_all())
        say_what_is_lost();
    tap_judge(cases, sizeof(cases) / sizeof(*cases));
}
