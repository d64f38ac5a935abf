#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

/*
 * Allocation that cannot fail: the process ends with a message when there is no memory. Everything
 * that a peer can make grow has a limit of its own, so a failure here means a broken host, not a
 * hostile peer. The caller owns what is returned and frees it with free().
 */
void *alloc_zero(size_t count, size_t size);
void *alloc_resize(void *memory, size_t size);

/*
 * Makes room for one more item in an array of `count`, all of whose room came from here: it is
 * resized when the count is a power of two. Items may be removed in between.
 */
void *alloc_one_more(void *items, size_t count, size_t size);

/* A copy; NULL of NULL. */
char *alloc_string(const char *text);

/* Concatenates three texts; for secrets, of which printf(3) may leave a copy on the stack. */
char *alloc_join(const char *first, const char *second, const char *third);

/* Overwrites a text that may be a secret, and frees it. NULL is ignored. */
void alloc_wipe(char *text);

/* Like asprintf(3). */
char *alloc_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
