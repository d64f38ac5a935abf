#include "gateway/placeholders.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* The length of the placeholder that begins at the %; 0: there is none. */
static size_t placeholder_length(const char *text)
{
	size_t length = 2;

	if (text[1] == '%' || text[1] == 'n')
		return length;
	if (text[1] != '{')
		return 0;
	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	if (length == 2 || isdigit((unsigned char)text[2]) || text[length] != '}')
		return 0;
	return length + 1;
}

bool placeholders_check(const char *message, struct error *error)
{
	size_t length;

	for (; (message = strchr(message, '%')); message += length) {
		length = placeholder_length(message);
		if (length == 0)
			return error_set(error, ERROR_SETTINGS,
				"has a '%%' that does not begin %%n, %%{VARIABLE} or %%%%");
	}
	return true;
}

bool placeholders_use_environment(const char *message)
{
	for (; (message = strchr(message, '%')) && message[1]; message += 2) {
		if (message[1] == '{')
			return true;
	}
	return false;
}

/* Returns the name of the variable if it is not set. */
static char *placeholders_expand_variable(struct buffer *out, const char *placeholder)
{
	char *name = alloc_format("%.*s", (int)strcspn(placeholder + 2, "}"), placeholder + 2);
	const char *value = getenv(name);

	if (!value)
		return name;
	buffer_append_text(out, value);
	free(name);
	return NULL;
}

char *placeholders_expand(struct buffer *out, const char *message, const char *name)
{
	const char *percent;
	char *first_unset = NULL, *unset;

	for (; (percent = strchr(message, '%')); message = percent + placeholder_length(percent)) {
		buffer_append(out, message, (size_t)(percent - message));
		if (percent[1] == '%') {
			buffer_append_text(out, "%");
		} else if (percent[1] == 'n') {
			buffer_append_text(out, name);
		} else {
			unset = placeholders_expand_variable(out, percent);
			if (first_unset)
				free(unset);
			else
				first_unset = unset;
		}
	}
	buffer_append_text(out, message);
	return first_unset;
}
