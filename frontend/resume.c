/* SPDX-License-Identifier: MIT
 * The life after a restore: what of the operations in flight is done again.
 *
 * A request that was answered is not repeated, with one exception: an operation
 * goes on from the first sector that was not answered, and what was answered
 * behind it is done once more. A request that was not answered may have been
 * carried out all the same, and is. Why a repeated write does no harm:
 *
 *   Its operation is not done, so until then it may take effect at any time.
 *   Writes that were waited for before it was submitted are not undone: it came
 *   after them. Writes that were submitted after it was done do not exist. All
 *   others were in flight together with it and have no order, so that it may
 *   well be the last of them. (Who reads in between may see it, then another,
 *   then it again: vbdfront.h says so.)
 *
 * Order: all are put again in the order of their submission, so that whatever
 * is before and behind a barrier stays there.
 *
 * Durability: what is done was answered by the old back end, which flushed
 * before it let go of the disk, and nobody is told that it is durable but by a
 * FLUSH or a step of a plan that was answered, by either of the two:
 *
 *   FLUSH    asks the new back end, which flushes the same disk.
 *   FUA      goes on in its step: data first, if some is left, then the flush.
 *            When only the flush is left the data is on that same disk.
 *   BARRIER  begins again, with the first step of the plan that suits the new
 *            back end. That the first half of a barrier was answered by one
 *            back end and the second by another would not keep what lies
 *            between them in its place. Its data, too, may be written twice: a
 *            write before it is done by then, and one behind it has not begun.
 *            */
#include "frontend/private.h"

/* -EOPNOTSUPP and -EIO come from plan.c; here is the sentence. */
static void say_what_is_less(struct vbdfront *front,
                             const struct vbdfront_info *before)
{
    const struct vbdfront_info *info = &front->info;

    if (info->has_discard < before->has_discard)
        front_say(front, "the back end %s has no discard any more",
                  front->backend);
    if (info->nr_sectors < before->nr_sectors)
        front_say(front, "the disk of %s has shrunk from %llu to %llu sectors: "
                  "I/O beyond fails", front->backend,
                  (unsigned long long)before->nr_sectors,
                  (unsigned long long)info->nr_sectors);
    if ((before->has_flush || before->has_barrier) && !info->has_flush &&
        !info->has_barrier)
        front_say(front, "the back end %s has neither flush nor barrier any "
                  "more: what must be durable fails (EOPNOTSUPP)",
                  front->backend);
}

int vbdfront_resume(struct vbdfront *front, uint64_t timeout_us)
{
    struct vbdfront_info before = front->info;
    int error;

    if (front->state == VBDFRONT_CLOSED)
        return 0;
    if (front->state == VBDFRONT_CONNECTED && !front_queues_take_last(front))
        front_break(front);
    front_queues_forget(front);
    front->is_watching = false;
    if (front->state == VBDFRONT_BROKEN)
        return -XEN_EIO;
    front->state = VBDFRONT_CLOSED;
    error = front_establish(front, timeout_us);
    if (error) {
        front_fail_pending(front);
        return error;
    }
    say_what_is_less(front, &before);
    front_plan_anew(front);
    front_queues_run(front);
    return 0;
}
