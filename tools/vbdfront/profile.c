/* SPDX-License-Identifier: MIT
 * What each system's driver does. docs/PROTOCOL.md has it in words, and where
 * it is known from. */
#include "tools/vbdfront/profile.h"

#include <stdio.h>
#include <string.h>

#include "common/host/log.h"

/* The sector number of a flush without data where the driver leaves there
 * what was there, or what its caller said: it lies behind any disk's end. */
static const uint64_t any_sector = UINT64_MAX / 512;

/* --- Linux --------------------------------------------------------------- */

static const uint8_t linux_keys[] = {
    VBDFRONT_KEY_RING_PAGE_ORDER, VBDFRONT_KEY_NUM_RING_PAGES,
    VBDFRONT_KEY_NUM_QUEUES, VBDFRONT_KEY_QUEUES, VBDFRONT_KEY_PROTOCOL,
    VBDFRONT_KEY_PERSISTENT, VBDFRONT_KEY_END,
};
static const struct vbdfront_habits linux_habits = {
    .start = VBDFRONT_START_RESET, .says_persistent = true,
    .keys = linux_keys,
};

static const uint8_t old_keys[] = {
    VBDFRONT_KEY_NUM_QUEUES, VBDFRONT_KEY_PERSISTENT,
    VBDFRONT_KEY_RING_PAGE_ORDER, VBDFRONT_KEY_NUM_RING_PAGES,
    VBDFRONT_KEY_QUEUES, VBDFRONT_KEY_END,
};
static const struct vbdfront_habits old_habits = {
    .ignores_flush = true, .ignores_resize = true, .keys = old_keys,
};

/* --- Windows ------------------------------------------------------------- */

static const uint8_t windows_keys[] = {
    VBDFRONT_KEY_EVENT_CHANNELS, VBDFRONT_KEY_RING_REFS,
    VBDFRONT_KEY_NUM_QUEUES, VBDFRONT_KEY_RING_PAGE_ORDER,
    VBDFRONT_KEY_NUM_RING_PAGES, VBDFRONT_KEY_PROTOCOL,
    VBDFRONT_KEY_PERSISTENT, VBDFRONT_KEY_OTHERS, VBDFRONT_KEY_END,
};
static const char *const windows_others[] = {
    "target-id", "0", "feature-surprise-remove", "1",
    "feature-online-resize", "1", "feature-large-sector-size", "1", NULL,
};
static const struct vbdfront_habits windows_habits = {
    .start = VBDFRONT_START_CLOSED, .says_persistent = true,
    .says_queues = true, .sync_sector = any_sector, .keys = windows_keys,
    .others = windows_others,
};

/* --- the BSDs ------------------------------------------------------------ */

static const uint8_t freebsd_keys[] = {
    VBDFRONT_KEY_NUM_QUEUES, VBDFRONT_KEY_PERSISTENT, VBDFRONT_KEY_RING_REFS,
    VBDFRONT_KEY_NUM_RING_PAGES, VBDFRONT_KEY_RING_PAGE_ORDER,
    VBDFRONT_KEY_EVENT_CHANNELS, VBDFRONT_KEY_PROTOCOL, VBDFRONT_KEY_END,
};
static const struct vbdfront_habits freebsd_habits = {
    .closes_at_once = true, .ignores_resize = true, .says_pages = true,
    .keys = freebsd_keys,
};

/* One page, and nothing else: NetBSD, mini-os, OVMF. */
static const uint8_t small_keys[] = {
    VBDFRONT_KEY_NUM_QUEUES, VBDFRONT_KEY_PERSISTENT,
    VBDFRONT_KEY_RING_PAGE_ORDER, VBDFRONT_KEY_NUM_RING_PAGES,
    VBDFRONT_KEY_QUEUES, VBDFRONT_KEY_PROTOCOL, VBDFRONT_KEY_END,
};
static const struct vbdfront_habits netbsd_habits = {
    .skips_init_wait = true, .ignores_resize = true, .ignores_barrier = true,
    .sync_sector = any_sector, .keys = small_keys,
};

/* --- those of a moment: firmware, boot loaders, stub domains ------------- */

static const struct vbdfront_habits mini_os_habits = {
    .skips_init_wait = true, .skips_initialised = true,
    .ends_initialising = true, .ignores_resize = true, .syncs_twice = true,
    .keys = small_keys,
};
static const char *const mini_os_removes[] = {
    "ring-ref", "event-channel", NULL,
};
static const char *const ovmf_removes[] = {
    "ring-ref", "event-channel", "protocol", NULL,
};

/* --- all ----------------------------------------------------------------- */

const struct profile profiles[] = {
    { .name = "linux",
      .summary = "4 queues, persistent grants, requests of up to 32 pages",
      .config = { .max_queues = 4, .max_indirect_segments = 32,
                  .use_persistent = true, .use_discard = true,
                  .habits = &linux_habits } },
    { .name = "linux-2006",
      .summary = "no protocol node, barriers only",
      .config = { .max_queues = 1, .habits = &old_habits } },
    { .name = "kdump",
      .summary = "linux with one queue; resets what a crashed kernel left",
      .config = { .max_queues = 1, .max_indirect_segments = 32,
                  .use_persistent = true, .use_discard = true,
                  .habits = &linux_habits },
      .follows_a_crash = true },
    { .name = "windows",
      .summary = "closes first; event-channel first; a sector in a flush",
      .config = { .max_queues = 4, .max_ring_page_order = 4,
                  .max_indirect_segments = 256, .use_persistent = true,
                  .use_discard = true, .abi = VBDFRONT_ABI_X86_64,
                  .habits = &windows_habits } },
    { .name = "freebsd",
      .summary = "ring-refs first; both num-ring-pages and ring-page-order",
      .config = { .max_queues = 1, .max_ring_page_order = 4,
                  .max_indirect_segments = 33, .habits = &freebsd_habits } },
    { .name = "netbsd",
      .summary = "does not wait for InitWait; a sector in a flush",
      .config = { .max_queues = 1, .max_indirect_segments = 17,
                  .habits = &netbsd_habits } },
    { .name = "ovmf",
      .summary = "Connected at once; ends as Initialising, for a successor",
      .config = { .max_queues = 1, .habits = &mini_os_habits },
      .flushes_last = true, .removes = ovmf_removes },
    { .name = "mini-os",
      .summary = "the same, and leaves the protocol node behind",
      .config = { .max_queues = 1, .habits = &mini_os_habits },
      .flushes_last = true, .removes = mini_os_removes },
    { 0 },
};

const struct profile *profile_take(const char **list)
{
    size_t length = strcspn(*list, ",");
    const char *name = *list;

    *list += length + (name[length] == ',');
    for (const struct profile *at = profiles; at->name; at++) {
        if (strlen(at->name) == length && strncmp(at->name, name, length) == 0)
            return at;
    }
    log_error("--as has \"%.*s\", expected one of those that --as help lists",
              (int)length, name);
    return NULL;
}
