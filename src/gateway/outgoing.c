#include "gateway/outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct outgoing_copy {
	unsigned users; /* the message itself is one */
	uint8_t data[];
};

static struct outgoing_copy *outgoing_copy_new(const struct outgoing *message)
{
	struct outgoing_copy *copy = alloc_resize(NULL, sizeof(*copy) + message->length);

	copy->users = 1;
	memcpy(copy->data, message->data, message->length);
	return copy;
}

struct outgoing_copy *outgoing_keep(struct outgoing *message)
{
	if (!message->copy)
		message->copy = outgoing_copy_new(message);
	message->copy->users++;
	return message->copy;
}

void outgoing_forget(struct outgoing_copy *copy)
{
	if (--copy->users == 0)
		free(copy);
}

const void *outgoing_copy_data(const struct outgoing_copy *copy)
{
	return copy->data;
}

void outgoing_release(struct outgoing *message)
{
	if (message->copy)
		outgoing_forget(message->copy);
	message->copy = NULL;
}
