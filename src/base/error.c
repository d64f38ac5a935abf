#include "base/error.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

bool error_set(struct error *error, const char *name, const char *format, ...)
{
	va_list arguments;
	char text[sizeof(error->text)]; /* the arguments may be in error->text */

	va_start(arguments, format);
	text_clean_format(text, sizeof(text), format, arguments);
	va_end(arguments);
	error->name = name;
	strcpy(error->text, text);
	return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
	char text[sizeof(error->text)];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = text_clean_format(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_clean(text + length, sizeof(text) - length, error->text, strlen(error->text));
	strcpy(error->text, text);
	return false;
}
