/* SPDX-License-Identifier: MIT
 * vbdverify check: a history from a file, and what a crash has left. */
#include <stdlib.h>

#include "tools/vbdverify/vbdverify.h"

struct judgement {
    struct history *history;
    struct history_head head;
    struct check *check;
    struct operation *slots;
    uint64_t sequences[HISTORY_PATHS];
    const char *names[HISTORY_PATHS];
    uint64_t end_us;
};

/* --- events --------------------------------------------------------------- */

static bool is_possible(struct judgement *judgement,
                        const struct operation *operation)
{
    const struct history_head *head = &judgement->head;
    uint64_t offset = operation->sector - head->sector;

    if (operation->path >= head->nr_paths)
        return false;
    if (operation->nr_sectors > 0 &&
        (offset >= head->nr_sectors ||
         operation->nr_sectors > head->nr_sectors - offset))
        return false;
    return !operation_changes(operation) ||
           operation->sequence == ++judgement->sequences[operation->path];
}

static bool take_invocation(struct judgement *judgement,
                            const struct history_event *event)
{
    struct operation *slot = &judgement->slots[event->slot];

    if (slot->invoked || !is_possible(judgement, &event->operation)) {
        history_blame(judgement->history, "this operation cannot be");
        return false;
    }
    *slot = event->operation;
    check_invoke(judgement->check, slot, event->at_us);
    return true;
}

static bool take_answer(struct judgement *judgement,
                        const struct history_event *event)
{
    struct operation *slot = &judgement->slots[event->slot];
    bool has_values = slot->kind == OPERATION_READ &&
                      event->outcome == OUTCOME_OK;

    if (!slot->invoked ||
        event->nr_values != (has_values ? slot->nr_sectors : 0)) {
        history_blame(judgement->history, "this answers nothing");
        return false;
    }
    check_answer(judgement->check, slot, event->outcome, event->values,
                 event->at_us);
    slot->invoked = 0;
    return true;
}

static bool take_events(struct judgement *judgement)
{
    static struct history_event event;
    int status;

    while ((status = history_next(judgement->history, &event)) == 1) {
        judgement->end_us = event.at_us;
        if (event.is_answer ? !take_answer(judgement, &event)
                            : !take_invocation(judgement, &event))
            return false;
    }
    return status == 0;
}

/* -------------------------------------------------------------------------- */

static bool open_check(struct judgement *judgement, bool has_image)
{
    const struct history_head *head = &judgement->head;
    struct check_config config = {
        .nr_paths = head->nr_paths, .names = judgement->names,
        .sector = head->sector, .nr_sectors = head->nr_sectors,
        .has_image = has_image, .report = report_violation };

    for (unsigned i = 0; i < head->nr_paths; i++)
        judgement->names[i] = head->names[i];
    judgement->slots = calloc(HISTORY_SLOTS, sizeof *judgement->slots);
    if (judgement->slots && check_open(&config, &judgement->check) == 0)
        return true;
    history_blame(judgement->history, "there is no memory for its range");
    return false;
}

static bool take_image(struct judgement *judgement, const char *image)
{
    const struct history_head *head = &judgement->head;
    uint64_t *values = data_look_at_image(image, head->sector,
                                          head->nr_sectors, head->run);

    if (values)
        check_image(judgement->check, values);
    free(values);
    return values != NULL;
}

int judge_history(const char *name, const char *image)
{
    static struct judgement judgement; /* too large for the stack */
    int status = EXIT_DISK;

    judgement = (struct judgement){ .check = NULL };
    judgement.history = history_open(name, &judgement.head);
    if (!judgement.history)
        return EXIT_DISK;
    if (open_check(&judgement, image != NULL) && take_events(&judgement) &&
        (!image || take_image(&judgement, image))) {
        const struct check_stats *stats = check_get_stats(judgement.check);

        report_summary(stats, judgement.names, judgement.head.nr_paths,
                       judgement.end_us);
        status = stats->nr_violations ? EXIT_VIOLATIONS : EXIT_OK;
    }
    check_close(judgement.check);
    free(judgement.slots);
    history_close(judgement.history);
    return status;
}
