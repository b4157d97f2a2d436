/* SPDX-License-Identifier: MIT
 * Text from elsewhere, made fit for a log line, JSON or a URI. Pure. */
#ifndef VBDD_SUPERVISOR_TEXT_H
#define VBDD_SUPERVISOR_TEXT_H

/* Copies length bytes into shown (size bytes, 0-terminated, at least 4): what
 * is not printable ASCII becomes '?', what does not fit ends in "...".
 * Returns shown. */
const char *text_printable(const char *bytes, unsigned length, char *shown,
                           unsigned size);

/* Copies the 0-terminated bytes as part of a URI: what is neither letter,
 * digit nor one of "-._~/" becomes %XX. Cut where %XX might not fit any
 * more. */
void text_percent(const char *bytes, char *text, unsigned size);

#endif
