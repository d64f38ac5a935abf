#include "base/strings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

void string_list_add(struct string_list *list, const char *text)
{
	string_list_take(list, alloc_string(text));
}

void string_list_take(struct string_list *list, char *text)
{
	list->items = alloc_one_more(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = text;
}

void string_list_remove(struct string_list *list, size_t index)
{
	alloc_wipe(list->items[index]);
	list->count--;
	memmove(list->items + index, list->items + index + 1,
		(list->count - index) * sizeof(*list->items));
}

bool string_equal(const char *text, const char *other)
{
	return text && other ? strcmp(text, other) == 0 : text == other;
}

size_t string_list_find(const struct string_list *list, const char *text)
{
	size_t index = 0;

	while (index < list->count && strcmp(list->items[index], text) != 0)
		index++;
	return index;
}

bool string_list_equal(const struct string_list *list, const struct string_list *other)
{
	if (list->count != other->count)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], other->items[i]) != 0)
			return false;
	}
	return true;
}

struct string_list string_list_copy(const struct string_list *list)
{
	struct string_list copy = {0};

	for (size_t i = 0; i < list->count; i++)
		string_list_add(&copy, list->items[i]);
	return copy;
}

void string_list_release(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		alloc_wipe(list->items[i]);
	free(list->items);
	*list = (struct string_list){0};
}

void header_list_add(struct header_list *list, const char *name, const char *value)
{
	header_list_take(list, alloc_string(name), alloc_string(value));
}

void header_list_take(struct header_list *list, char *name, char *value)
{
	list->items = alloc_one_more(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct header){name, value};
}

const char *header_list_find(const struct header_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcasecmp(list->items[i].name, name) == 0)
			return list->items[i].value;
	}
	return NULL;
}

bool header_list_equal(const struct header_list *list, const struct header_list *other)
{
	if (list->count != other->count)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].name, other->items[i].name) != 0 ||
			strcmp(list->items[i].value, other->items[i].value) != 0)
			return false;
	}
	return true;
}

struct header_list header_list_copy(const struct header_list *list)
{
	struct header_list copy = {0};

	for (size_t i = 0; i < list->count; i++)
		header_list_add(&copy, list->items[i].name, list->items[i].value);
	return copy;
}

void header_list_release(struct header_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		alloc_wipe(list->items[i].name);
		alloc_wipe(list->items[i].value);
	}
	free(list->items);
	*list = (struct header_list){0};
}
