/* SPDX-License-Identifier: MIT
 * The PV disk goes and comes back, the guest is saved and restored, and in the
 * end the emulated disk is taken away. */
#include <xen/errno.h>

#include "tests/vm/image/ata.h"
#include "tests/vm/image/cases.h"
#include "tests/vm/image/control.h"
#include "tests/vm/image/machine.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/steps.h"

enum { SECTORS = 256, NR_IOS = 8, IO_SECTORS = 16 };

/* ---- there and back again ----------------------------------------------- */

static bool has_shrunk(const struct vbdfront_info *old,
                       const struct vbdfront_info *new)
{
    return new->has_flush < old->has_flush ||
           new->has_barrier < old->has_barrier ||
           new->has_discard < old->has_discard ||
           new->has_secure < old->has_secure;
}

static enum verdict reconnects(const struct vm_case *this)
{
    struct vbdfront_info offered = *vbdfront_info(pv_front());
    struct mark before = mark_new(this->writer), meanwhile, after;
    uint64_t area = new_area();
    int error;

    STEP(put(this->writer, area, 8, before));
    error = vbdfront_disconnect(pv_front(), PV_TIMEOUT_US);
    MUST(!error, "it does not close: error %u", (unsigned)-error);
    meanwhile = mark_new(this->reader);
    STEP(put(this->reader, area + 64, 8, meanwhile));
    error = vbdfront_connect(pv_front(), PV_TIMEOUT_US);
    MUST(!error, "%s", vbdfront_reason(pv_front()));
    MUST(!has_shrunk(&offered, vbdfront_info(pv_front())),
         "it offers less than before");
    STEP(see(this->writer, area, 8, before));
    STEP(see(this->writer, area + 64, 8, meanwhile));
    after = mark_new(this->writer);
    STEP(put(this->writer, area, 8, after));
    return see(this->reader, area, 8, after);
}

/* ---- suspend ------------------------------------------------------------ */

static unsigned nr_done, nr_failed;

static void count(struct vbdfront_io *io, int error)
{
    (void)io;
    nr_done++;
    nr_failed += error != 0;
}

static void begin_writes(uint64_t area, struct mark mark)
{
    static struct vbdfront_io ios[NR_IOS];

    nr_done = nr_failed = 0;
    mark_fill(buffer(2), area, NR_IOS * IO_SECTORS, mark);
    for (unsigned i = 0; i < NR_IOS; i++) {
        unsigned sectors = i * IO_SECTORS;

        ios[i] = (struct vbdfront_io){
            .op = VBDFRONT_WRITE, .sector = area + sectors, .done = count,
            .nr_sectors = IO_SECTORS,
            .data = (char *)buffer(2) + sectors * SECTOR_BYTES,
        };
        vbdfront_submit(pv_front(), &ios[i]);
    }
    vbdfront_poll(pv_front());
}

static bool is_told_to_suspend(void)
{
    uint64_t end = clock_in_us(PV_TIMEOUT_US);
    char word[16];

    while (!clock_is_past(end)) {
        if (pv_store_read("control/shutdown", word, sizeof(word)) > 0 &&
            control_is(word, "suspend"))
            return true;
        pv_wait(20000);
    }
    return false;
}

/* The writes are under way while the guest is saved. */
static enum verdict suspends(const struct vm_case *this)
{
    struct mark before = mark_new(this->reader), under_way;
    uint64_t area = new_area();
    const char *answer;
    int error;

    STEP(put(this->reader, area, 8, before));
    answer = control_ask("suspend");
    NEEDS(!control_is(answer, "unknown"), "%s", answer + sizeof("unknown"));
    MUST(control_is(answer, "soon"), "%s", answer);
    MUST(is_told_to_suspend(), "nobody saves the guest");
    under_way = mark_new(this->writer);
    begin_writes(area + 64, under_way);
    pv_store_write("control/shutdown", "");
    error = pv_suspend();
    MUST(error == 0, "suspend: error %u", (unsigned)-error);
    error = vbdfront_resume(pv_front(), PV_TIMEOUT_US);
    MUST(!error, "%s", vbdfront_reason(pv_front()));
    MUST(!pv_drain() && nr_done == NR_IOS && nr_failed == 0,
         "%u of %u writes were answered, %u with an error", nr_done,
         (unsigned)NR_IOS, nr_failed);
    STEP(see(this->writer, area, 8, before));
    return see(this->reader, area + 64, NR_IOS * IO_SECTORS, under_way);
}

/* ---- unplug ------------------------------------------------------------- */

static uint64_t area_written;
static struct mark mark_written; /* by ATA, the last before unplug */

/* Nothing is under way: what was answered is there. */
static enum verdict unplug_idle(const struct vm_case *this)
{
    int error;

    area_written = new_area();
    mark_written = mark_new(this->writer);
    STEP(put(this->writer, area_written, SECTORS, mark_written));
    error = pv_unplug();
    NEEDS(error != -XEN_EPERM, "the host wants no PV drivers");
    MUST(!error, "unplug: error %u", (unsigned)-error);
    path_end_emulated();
    return see(this->reader, area_written, SECTORS, mark_written);
}

/* Each sector of a write that was under way is old or new. */
static enum verdict is_old_or_new(uint64_t sector, struct mark old,
                                  struct mark new)
{
    MUST(!path_pv.read(sector, SECTORS, buffer(1)), "PV does not read");
    for (unsigned i = 0; i < SECTORS; i++) {
        struct mark found = mark_read(
            (const uint8_t *)buffer(1) + i * SECTOR_BYTES, sector + i);

        MUST(mark_is(found, old) || mark_is(found, new),
             "sector %llu is neither old nor new",
             (unsigned long long)sector + i);
    }
    return PASS;
}

/* An emulated write and some of PV's are under way. */
static enum verdict unplug_busy(const struct vm_case *this)
{
    struct mark old = mark_new(this->writer), pv = mark_new(this->reader);
    uint64_t area = new_area();
    int error;

    area_written = area;
    mark_written = old;
    STEP(put(this->writer, area, SECTORS, old));
    STEP(put(this->writer, area + SECTORS, SECTORS, old));
    mark_fill(buffer(3), area + SECTORS, SECTORS, mark_new(this->writer));
    begin_writes(area + 1024, pv);
    MUST(!ata_begin(ATA_DMA_WRITE, area + SECTORS, SECTORS, buffer(3)),
         "ATA DMA does not begin");
    error = pv_unplug();
    NEEDS(error != -XEN_EPERM, "the host wants no PV drivers");
    MUST(!error, "unplug: error %u", (unsigned)-error);
    path_end_emulated();
    MUST(!pv_drain() && nr_failed == 0, "PV's writes fail");
    STEP(see(this->reader, area, SECTORS, old));
    STEP(see(this->reader, area + 1024, NR_IOS * IO_SECTORS, pv));
    return is_old_or_new(area + SECTORS, old,
                         mark_read(buffer(3), area + SECTORS));
}

/* The controller has no disk any more; should it take a write all the same, it
 * must not come through. */
static enum verdict late_writer(const struct vm_case *this)
{
    struct mark late = mark_new(&path_dma), mark = mark_new(this->reader);

    NEEDS(path_dma.missing, "nothing was unplugged");
    STEP(put(this->reader, area_written, SECTORS, mark));
    mark_fill(buffer(3), area_written, SECTORS, late);
    MUST(ata_do(ATA_PIO_WRITE, area_written, 1, buffer(3)),
         "the emulated disk writes after it has been unplugged");
    return see(this->reader, area_written, SECTORS, mark);
}

static enum verdict goes_on(const struct vm_case *this)
{
    struct mark mark = mark_new(this->writer);
    uint64_t area = new_area();

    NEEDS(path_dma.missing, "nothing was unplugged");
    STEP(put(this->writer, area, 64, mark));
    if (vbdfront_info(pv_front())->has_flush) {
        MUST(!this->writer->flush(), "FLUSH fails");
        STEP(see(this->reader, area, 64, mark));
        return control_see_durable(area, 64, mark);
    }
    return see(this->reader, area, 64, mark);
}

static const struct vm_case stays[] = {
    { "PV closes, and is itself again when it reconnects", "C14; state",
      reconnects, &path_pv, &path_dma },
    { "the guest is saved and restored with writes under way", "C3, C15; "
      "control/shutdown", suspends, &path_pv, &path_dma },
};
static const struct vm_case idle[] = {
    { "unplugged at rest: PV has what the emulated disk wrote", "C11; port "
      "10h", unplug_idle, &path_dma, &path_pv },
};
static const struct vm_case busy[] = {
    { "unplugged amid writes: what was answered is there, the rest old or new",
      "C11, C3; port 10h", unplug_busy, &path_dma, &path_pv },
};
static const struct vm_case after[] = {
    { "a late emulated writer writes nothing", "C11; WRITE SECTORS EXT",
      late_writer, NULL, &path_pv },
    { "PV writes and flushes after the handover", "C11, C5; "
      "feature-flush-cache", goes_on, &path_pv, &path_pv },
};

void cases_handover(void)
{
    bool is_busy = control_is(control_ask("plan"), "busy");

    tap_judge(stays, sizeof(stays) / sizeof(*stays));
    tap_judge(is_busy ? busy : idle, 1);
    tap_judge(after, sizeof(after) / sizeof(*after));
}
