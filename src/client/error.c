#include <stdarg.h>
#include <stdio.h>

#include "client/gate.h"

enum wsgate_result wsgate_fail(struct wsgate *gate, enum wsgate_result result, const char *format,
	...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(gate->error, sizeof(gate->error), format, arguments);
	va_end(arguments);
	return result;
}

enum wsgate_result wsgate_fail_memory(struct wsgate *gate)
{
	return wsgate_fail(gate, WSGATE_ERROR_MEMORY, "out of memory");
}

enum wsgate_result wsgate_fail_refused(struct wsgate *gate, const uint8_t *text, size_t length)
{
	size_t room = sizeof(gate->error) - 1;

	if (length > room)
		length = room;
	for (size_t i = 0; i < length; i++)
		gate->error[i] = (char)(text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
	gate->error[length] = '\0';
	return WSGATE_ERROR_REFUSED;
}

const char *wsgate_error(const struct wsgate *gate)
{
	return gate ? gate->error : "out of memory";
}

const char *wsgate_strerror(enum wsgate_result result)
{
	switch (result) {
	case WSGATE_OK:
		return "done";
	case WSGATE_AGAIN:
		return "nothing yet";
	case WSGATE_END:
		return "the outlet has ended";
	case WSGATE_ERROR_MEMORY:
		return "out of memory";
	case WSGATE_ERROR_ARGUMENT:
		return "invalid argument";
	case WSGATE_ERROR_CONNECT:
		return "cannot connect to the outlet";
	case WSGATE_ERROR_TIMEOUT:
		return "the daemon did not answer in time";
	case WSGATE_ERROR_REFUSED:
		return "the daemon refused";
	case WSGATE_ERROR_PROTOCOL:
		return "not the format frames";
	case WSGATE_ERROR_SYSTEM:
		return "system error";
	case WSGATE_ERROR_NOT_FOUND:
		return "no connection with that name";
	}
	return "unknown result";
}
