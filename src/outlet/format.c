#include "outlet/format.h"

#include "outlet/formats.h"

/* The formats, in the order of their numbers. */
#define FORMATS(FORMAT)                                                                            \
	FORMAT(lines)                                                                              \
	FORMAT(json)                                                                               \
	FORMAT(frames)                                                                             \
	FORMAT(packets)

#define FORMAT_DECLARE(name) extern const struct outlet_format format_##name;
#define FORMAT_NUMBER(name)  FORMAT_##name,
#define FORMAT_ENTRY(name)   &format_##name,
#define FORMAT_CHOICE(name)  {#name, FORMAT_##name},

FORMATS(FORMAT_DECLARE)

enum { FORMATS(FORMAT_NUMBER) };

static const struct outlet_format *const formats[] = {FORMATS(FORMAT_ENTRY)};

const struct choice outlet_formats[] = {FORMATS(FORMAT_CHOICE){0}};

const struct outlet_format *outlet_format(unsigned number)
{
	return formats[number];
}
