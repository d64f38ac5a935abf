#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

/* True if both are NULL, or the same text. */
bool string_equal(const char *text, const char *other);

/*
 * Lists that own their strings. Zero-initialised is empty. What a list gives up is overwritten
 * first: it may be a secret.
 */
struct string_list {
	char **items;
	size_t count;
};

void string_list_add(struct string_list *list, const char *text);

/* Takes over the text, which free() can free. */
void string_list_take(struct string_list *list, char *text);
void string_list_remove(struct string_list *list, size_t index);

/* Returns the index of the first equal string, `count` if there is none. */
size_t string_list_find(const struct string_list *list, const char *text);
bool string_list_equal(const struct string_list *list, const struct string_list *other);
struct string_list string_list_copy(const struct string_list *list);
void string_list_release(struct string_list *list);

/* The header fields of an HTTP message, in their order. Names may repeat. */
struct header {
	char *name;
	char *value;
};

struct header_list {
	struct header *items;
	size_t count;
};

void header_list_add(struct header_list *list, const char *name, const char *value);

/* Takes over both strings, which free() can free. */
void header_list_take(struct header_list *list, char *name, char *value);

/* The value of the first header of that name, whatever its case; NULL if there is none. */
const char *header_list_find(const struct header_list *list, const char *name);
bool header_list_equal(const struct header_list *list, const struct header_list *other);
struct header_list header_list_copy(const struct header_list *list);
void header_list_release(struct header_list *list);

#endif
