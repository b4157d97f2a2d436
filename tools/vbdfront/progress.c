/* SPDX-License-Identifier: MIT
 * A progress bar on a terminal. */
#include "tools/vbdfront/cli.h"

#include <unistd.h>

enum { BAR_WIDTH = 40, INTERVAL_US = 100000 };

void progress_start(struct progress *progress, const char *title,
                    uint64_t total_bytes)
{
    *progress = (struct progress){
        .title = title, .total_bytes = total_bytes,
        .start_us = host_now_us(),
        .is_shown = title && total_bytes > 0 && isatty(STDERR_FILENO),
    };
}

static void draw(const struct progress *progress, uint64_t done_bytes)
{
    static const char full[] = "########################################";
    uint64_t passed_us = progress->shown_us - progress->start_us + 1;
    double part = (double)done_bytes / (double)progress->total_bytes;

    fprintf(stderr, "\r%s [%-*.*s] %3.0f %% %7.1f MB/s ", progress->title,
            BAR_WIDTH, (int)(part * BAR_WIDTH), full, part * 100,
            (double)done_bytes / (double)passed_us);
    fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t done_bytes)
{
    uint64_t now_us;

    if (!progress->is_shown)
        return;
    now_us = host_now_us();
    if (now_us - progress->shown_us < INTERVAL_US)
        return;
    progress->shown_us = now_us;
    draw(progress, done_bytes);
}

void progress_end(struct progress *progress, uint64_t done_bytes)
{
    if (!progress->is_shown)
        return;
    progress->shown_us = host_now_us();
    draw(progress, done_bytes);
    fputc('\n', stderr);
}
