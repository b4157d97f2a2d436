/* SPDX-License-Identifier: MIT
 * The parameters of an engine: "key=value,key='a value with , and /'". */
#ifndef VBDD_ENGINE_PARAMETERS_H
#define VBDD_ENGINE_PARAMETERS_H

/* How a value is read; expected ends the sentence that refuses a bad one. */
struct parameter_type {
    const char *expected;
    int (*parse)(const char *text, void *value); /* 0 or -errno */
};

extern const struct parameter_type parameter_number; /* uint64_t */
extern const struct parameter_type parameter_size;   /* uint64_t, bytes */
extern const struct parameter_type parameter_percent; /* uint64_t, <= 100 */
extern const struct parameter_type parameter_us;     /* uint64_t, us */
extern const struct parameter_type parameter_errno;  /* int, -errno */
extern const struct parameter_type parameter_bool;   /* bool: yes or no */
extern const struct parameter_type parameter_text;   /* char *, to be freed */

struct parameter {
    const char *key;
    const struct parameter_type *type;
    void *value; /* what type writes to; untouched if the key is not given */
};

/* table ends with a zero key and has at most 32 rows. Texts that were stored
 * are the caller's to free also on failure. Returns 0, or -errno with a
 * sentence that starts with the engine's name. */
int parameters_parse(const char *engine_name, const char *text,
                     const struct parameter *table, char *reason,
                     unsigned reason_size);

/* The next `separator` of text that is not between single quotes, or the
 * terminating zero. */
char *parameters_find(char *text, char separator);

#endif
