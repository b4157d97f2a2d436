/* SPDX-License-Identifier: MIT
 * The life after a restore: what of the operations in flight is done again.
 *
 * An operation goes on from the first of its sectors whose answer had not been
 * taken. The old ring is not looked at any more, as its answers cannot be
 * believed: the back end may have gone on after the suspend, while the
 * toolstack copied the guest's memory page by page. The ring's page may have
 * been copied after the answer was written, and the data's page before the data
 * was: a READ would be done with stale data. So what was answered but not
 * taken, errors too, is asked again, and may have been carried out, as may what
 * was not answered. Why a repeated write does no harm:
 *
 *   Its operation is not done, so it may take effect at any time until it is.
 *   Writes that were waited for before its submit are before it in any case,
 *   and of those that will wait for it none exists. All others are in flight
 *   together with it, or were, and have no order: it may well be the last of
 *   them. (Who reads in between may see it, then another, then it again:
 *   vbdfront.h says so. To rule that out, overlapping writes would have to
 *   wait for each other in normal life.)
 *
 * Order: all wait again in the order of their submission, so that whatever was
 * before or behind a barrier is so now.
 *
 * Durability is told only by a flush or a barrier that is done, and both back
 * ends have the same disk: a flush of the new one covers what was answered by
 * the old one, which has flushed, too, before it let go.
 *
 *   FLUSH    begins again, as the new back end knows it.
 *   FUA      goes on in its step: the rest of the data, then the flush.
 *   BARRIER  begins again, by the plan that suits the new back end. Where the
 *            old one was in the middle says nothing: another plan has other
 *            steps, and writes before it that were carried out but are not done
 *            come once more, and must come before its data. To write that data
 *            twice does no harm either: a back end answers a barrier after all
 *            that is before it and begins nothing behind it until then (C6).
 *            One queue's answers are taken in the order of the ring, and with
 *            several queues a barrier is alone on them: what is behind it
 *            cannot have been taken before it, and comes again, behind it. */
#include "frontend/private.h"

/* plan.c says it to each operation. */
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
