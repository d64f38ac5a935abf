#include "base/alloc.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whoever reads stderr may have stopped: the end must not wait for that. */
static void alloc_complain(void)
{
	static const char text[] = "wsgated: out of memory\n";
	struct pollfd stderr_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t written = 0;

	if (poll(&stderr_fd, 1, 0) == 1)
		written = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)written;
}

static void *alloc_checked(void *memory)
{
	if (!memory) {
		alloc_complain();
		abort();
	}
	return memory;
}

void *alloc_zero(size_t count, size_t size)
{
	return alloc_checked(calloc(count ? count : 1, size ? size : 1));
}

void *alloc_resize(void *memory, size_t size)
{
	return alloc_checked(realloc(memory, size ? size : 1));
}

void *alloc_one_more(void *items, size_t count, size_t size)
{
	if (count & (count - 1))
		return items;
	return alloc_resize(items, (count ? 2 * count : 1) * size);
}

char *alloc_string(const char *text)
{
	return text ? alloc_checked(strdup(text)) : NULL;
}

char *alloc_join(const char *first, const char *second, const char *third)
{
	char *text = alloc_zero(1, strlen(first) + strlen(second) + strlen(third) + 1);

	return strcat(strcat(strcpy(text, first), second), third);
}

void alloc_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

char *alloc_format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	return alloc_checked(text);
}
