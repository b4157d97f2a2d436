/* SPDX-License-Identifier: MIT
 * The commands of the control socket: the table of them, what each may be
 * asked with, and the pieces of their replies. */
#ifndef VBDD_SUPERVISOR_COMMAND_H
#define VBDD_SUPERVISOR_COMMAND_H

#include <jansson.h>

#include "backend/supervisor/control.h"

struct disk;
struct vbd;

/* Carries out a request (borrowed) of a client; exactly one reply follows,
 * at once or later. */
void command_run(struct client *client, json_t *request);

/* A JSON string of text that may hold anything. */
json_t *command_text(const char *text);
/* An unsigned number; JSON's reach to 2^63 - 1, and so do ours. */
json_t *command_number(uint64_t number);

/* The vbd that the argument vbd names; the disk that the argument disk or vbd
 * does (exactly one of them). NULL when there is none: it was refused. */
struct vbd *command_find_vbd(struct client *client, const json_t *request);
struct disk *command_find_disk(struct client *client, const json_t *request);

/* One command each. The arguments are there, have the right type, and there
 * are no others; what they mean is not judged yet. */
void command_list(struct client *client, json_t *request);
void command_show(struct client *client, json_t *request);
void command_stats(struct client *client, json_t *request);
void command_features(struct client *client, json_t *request);
void command_nbd(struct client *client, json_t *request);
void command_resize(struct client *client, json_t *request);
void command_log_level(struct client *client, json_t *request);
void command_hotplug(struct client *client, json_t *request);
void command_attach(struct client *client, json_t *request);
void command_detach(struct client *client, json_t *request);

#endif
