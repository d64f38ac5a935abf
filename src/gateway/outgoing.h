#ifndef GATEWAY_OUTGOING_H
#define GATEWAY_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "ws/protocol.h"

/* The bytes of a message that has to be kept, shared by all who keep it. */
struct outgoing_copy;

/*
 * A message to one server or to many. Its bytes are borrowed; whoever keeps them keeps a copy, which
 * is made for the first and serves all others: a thousand connections keep it in the time and the
 * memory that one needs. When it has been given to all, outgoing_release().
 */
struct outgoing {
	enum ws_opcode opcode; /* WS_TEXT or WS_BINARY */
	const void *data;      /* text must be UTF-8 */
	size_t length;         /* at most UINT32_MAX */
	uint64_t time;         /* since when it is held for a connection to open; monotonic ns */
	struct outgoing_copy *copy; /* private; NULL: nobody has had to keep it yet */
};

/* The copy, for one more who keeps it until outgoing_forget(). */
struct outgoing_copy *outgoing_keep(struct outgoing *message);
void outgoing_forget(struct outgoing_copy *copy);
const void *outgoing_copy_data(const struct outgoing_copy *copy);

void outgoing_release(struct outgoing *message);

#endif
