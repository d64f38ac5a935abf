#include "ws/outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct ws_outgoing_copy {
	unsigned users; /* queues, and the message itself */
	uint8_t data[];
};

static struct ws_outgoing_copy *ws_outgoing_copy_new(const struct ws_outgoing *message)
{
	struct ws_outgoing_copy *copy = alloc_resize(NULL, sizeof(*copy) + message->length);

	copy->users = 1;
	memcpy(copy->data, message->data, message->length);
	return copy;
}

struct ws_outgoing_copy *ws_outgoing_keep(struct ws_outgoing *message)
{
	if (!message->copy)
		message->copy = ws_outgoing_copy_new(message);
	message->copy->users++;
	return message->copy;
}

void ws_outgoing_forget(struct ws_outgoing_copy *copy)
{
	if (--copy->users == 0)
		free(copy);
}

const void *ws_outgoing_copy_data(const struct ws_outgoing_copy *copy)
{
	return copy->data;
}

void ws_outgoing_release(struct ws_outgoing *message)
{
	if (message->copy)
		ws_outgoing_forget(message->copy);
	message->copy = NULL;
}
