#ifndef OUTLET_FORMAT_INPUT_H
#define OUTLET_FORMAT_INPUT_H

#include "outlet/format.h"

/* Input from subscribers, shared by the formats. Each function returns the result of `take`. */

/*
 * Finds the line at the front of the input, without its newline, and takes it. The last one needs no
 * newline. A line that is longer than `longest` is broken.
 */
enum format_taken format_input_line(struct format_input *input, size_t longest,
	const uint8_t **line, size_t *length);

enum format_taken format_input_message(struct format_input *input, int source, bool binary,
	const void *data, size_t length);

/* Wrong unless the data is UTF-8. */
enum format_taken format_input_text(struct format_input *input, int source, const void *data,
	size_t length);

/* `fault` must not quote the input. */
enum format_taken format_input_wrong(struct format_input *input, const char *fault);
enum format_taken format_input_broken(struct format_input *input, const char *fault);

/* Describes a message that is larger than the limit; `what`: "a line". */
void format_input_too_large(struct format_input *input, const char *what);

#endif
