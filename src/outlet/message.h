#ifndef OUTLET_MESSAGE_H
#define OUTLET_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outlet_message_type {
	OUTLET_TEXT,
	OUTLET_BINARY,
	OUTLET_OPENED, /* a source has opened; data: JSON object with the details, on one line */
	OUTLET_CLOSED, /* a source has closed; data: the same, {"code":…,"reason":…} */
};

/*
 * The encoded data of a message, shared by the outlets of one format that publish it, so that the
 * text is scanned for escapes only once. Zeroed by the owner; valid until one of these outlets
 * publishes another message.
 */
struct outlet_encoded {
	size_t length;       /* bytes; 0: not known yet */
	const uint8_t *text; /* in the ring of the first outlet; NULL: not written yet */
};

/* One message from a source. Everything is borrowed for the time of the call. */
struct outlet_message {
	enum outlet_message_type type;
	unsigned source; /* as numbered by outlet_add_source() */
	uint64_t time;   /* of receipt, ns since 1970 */
	const void *data;
	size_t length;
	bool unchecked;                 /* the text may not be UTF-8 */
	struct outlet_encoded *encoded; /* NULL: only one outlet publishes the message */
};

#endif
