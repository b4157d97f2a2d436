/* SPDX-License-Identifier: MIT
 * vbdverify check: a history from a file, and what a crash has left. */
#include <stdlib.h>
#include <string.h>

#include "tools/vbdverify/vbdverify.h"

struct judgement {
    struct history *history;
    struct history_head head;
    struct check *check;
    struct operation *slots;
    uint64_t sequences[HISTORY_PATHS];
    const char *names[HISTORY_PATHS];
    uint64_t end_us;
    uint64_t nr_events; /* that are judged, of those that there are */
    struct history_event event;
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
    struct history_event *event = &judgement->event;
    int status = 0;

    for (uint64_t i = 0; i < judgement->nr_events; i++) {
        status = history_next(judgement->history, event);
        if (status != 1)
            break;
        judgement->end_us = event->at_us;
        if (event->is_answer ? !take_answer(judgement, event)
                             : !take_invocation(judgement, event))
            return false;
    }
    return status >= 0;
}

/* --- a cut ---------------------------------------------------------------- */

static bool is_there(const struct judgement *judgement,
                     const struct operation *operation, const uint64_t *values)
{
    uint64_t first = operation->sector - judgement->head.sector;

    for (uint32_t i = 0; i < operation->nr_sectors; i++) {
        if (values[first + i] == value_of_operation(operation))
            return true;
    }
    return false;
}

/* Of a cut nobody knows when it was. But it came after the newest write that
 * is there was invoked, and so after all that had been answered by then: this
 * much of the history binds. The file is read again after it. */
static bool date_cut(struct judgement *judgement, const uint64_t *values)
{
    const struct history_event *event = &judgement->event;
    const struct operation *operation = &event->operation;
    uint64_t nr = 0;
    int status;

    judgement->nr_events = 0;
    while ((status = history_next(judgement->history,
                                  &judgement->event)) == 1) {
        nr++;
        if (event->is_answer || !operation_changes(operation))
            continue;
        if (!is_possible(judgement, operation)) {
            history_blame(judgement->history, "this operation cannot be");
            return false;
        }
        if (is_there(judgement, operation, values))
            judgement->nr_events = nr;
    }
    memset(judgement->sequences, 0, sizeof judgement->sequences);
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

static bool judge(struct judgement *judgement, const uint64_t *values)
{
    const struct check_stats *stats;

    if (!open_check(judgement, values != NULL) || !take_events(judgement))
        return false;
    if (values)
        check_image(judgement->check, values);
    stats = check_get_stats(judgement->check);
    report_summary(stats, judgement->names, judgement->head.nr_paths,
                   judgement->end_us);
    return true;
}

static bool open_history(struct judgement *judgement, const char *name)
{
    history_close(judgement->history);
    judgement->history = history_open(name, &judgement->head);
    return judgement->history != NULL;
}

/* Opens the history; *values: of the image, if there is one. */
static bool take_files(struct judgement *judgement, const char *name,
                       const char *image, enum image_kind kind,
                       uint64_t **values)
{
    const struct history_head *head = &judgement->head;

    if (!open_history(judgement, name))
        return false;
    if (kind == IMAGE_NONE)
        return true;
    *values = data_look_at_image(image, head->sector, head->nr_sectors,
                                 head->run);
    return *values && (kind != IMAGE_CUT ||
                       (date_cut(judgement, *values) &&
                        open_history(judgement, name)));
}

int judge_history(const char *name, const char *image, enum image_kind kind)
{
    static struct judgement judgement; /* too large for the stack */
    uint64_t *values = NULL;
    int status = EXIT_DISK;

    judgement = (struct judgement){ .nr_events = UINT64_MAX };
    if (take_files(&judgement, name, image, kind, &values) &&
        judge(&judgement, values))
        status = check_get_stats(judgement.check)->nr_violations
                     ? EXIT_VIOLATIONS : EXIT_OK;
    check_close(judgement.check);
    free(values);
    free(judgement.slots);
    history_close(judgement.history);
    return status;
}
