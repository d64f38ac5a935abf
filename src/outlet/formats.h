#ifndef OUTLET_FORMATS_H
#define OUTLET_FORMATS_H

#include "base/choice.h"

/* The names of the formats, each with its number; the first is the default. */
extern const struct choice outlet_formats[];

struct outlet_format;
const struct outlet_format *outlet_format(unsigned number);

#endif
