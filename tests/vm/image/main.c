/* SPDX-License-Identifier: MIT
 * The flush-correctness VM: a guest without an operating system that drives one
 * disk by its BIOS, by its controller and by its PV ring, alternately and at
 * once, and says which promises hold. tests/vm/run starts it. */
#include "tests/vm/image/ata.h"
#include "tests/vm/image/cases.h"
#include "tests/vm/image/control.h"
#include "tests/vm/image/machine.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/steps.h"

void vm_main(void); /* boot.S comes here */

static void describe(void)
{
    const struct vbdfront_info *info;

    say("# emulated disk: \"%s\", %llu sectors, blocks of %u bytes",
        ata_info()->model, (unsigned long long)ata_info()->nr_sectors,
        ata_info()->physical_sector_bytes);
    if (path_pv.missing)
        return;
    info = vbdfront_info(pv_front());
    say("# PV disk: %llu sectors, blocks of %u bytes, %u segments, %u queues of"
        " %u slots%s%s%s%s", (unsigned long long)info->nr_sectors,
        info->physical_sector_bytes, info->max_segments, info->nr_queues,
        info->ring_slots, info->has_flush ? ", flush" : "",
        info->has_barrier ? ", barrier" : "",
        info->has_discard ? ", discard" : "",
        info->is_persistent ? ", persistent" : "");
}

/* Those that are asked for; all, if nobody says. */
static void judge_all(unsigned round)
{
    static const struct {
        const char *name;
        void (*judge)(void);
    } groups[] = {
        { "paths", cases_paths }, { "at-once", cases_at_once },
        { "ring", cases_ring }, { "durable", cases_durable },
        { "handover", cases_handover },
    };

    say("# round %u", round);
    for (unsigned i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
        const char *answer = control_ask("cases %s", groups[i].name);

        if (control_is(answer, "no"))
            continue;
        tap_only(control_is(answer, "only") ? answer + sizeof("only") : "");
        groups[i].judge();
    }
}

void vm_main(void)
{
    unsigned round = 0;

    clock_start();
    serial_start();
    say("# vbdd's flush-correctness VM");
    pv_start();
    path_start_emulated();
    pv_connect();
    describe();
    steps_start(ata_info()->nr_sectors);
    control_start();
    do
        judge_all(++round);
    while (control_is(control_ask("again"), "yes"));
    tap_end();
    control_ask("done");
    machine_power_off();
}
