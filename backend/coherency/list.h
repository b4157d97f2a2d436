/* SPDX-License-Identifier: MIT
 * A ring of links inside the things that are listed: append, take out of the
 * middle and move a whole list in constant time, without allocation. A link
 * that is in no list points at itself, so taking it out once more does
 * nothing. */
#ifndef VBDD_COHERENCY_LIST_H
#define VBDD_COHERENCY_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *previous, *next;
};

/* What `link` is the `member` of. */
#define LIST_ITEM(link, type, member)                                        \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define LIST_EACH(link, head)                                                \
    for ((link) = (head)->next; (link) != (head); (link) = (link)->next)
/* The body may take `link` out of the list, and nothing else. */
#define LIST_EACH_SAFE(link, after, head)                                    \
    for ((link) = (head)->next, (after) = (link)->next; (link) != (head);    \
         (link) = (after), (after) = (link)->next)

static inline void list_init(struct list *list)
{
    list->previous = list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

/* One link, and no more. */
static inline bool list_is_single(const struct list *list)
{
    return !list_is_empty(list) && list->next == list->previous;
}

static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* Takes link out of where it is first. */
static inline void list_append(struct list *head, struct list *link)
{
    list_remove(link);
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

static inline struct list *list_take_first(struct list *head)
{
    struct list *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* Appends all of `from`, in its order, to `head`. */
static inline void list_append_all(struct list *head, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->previous = head->previous;
    from->previous->next = head;
    head->previous->next = from->next;
    head->previous = from->previous;
    list_init(from);
}

#endif
