#ifndef WS_OUTGOING_H
#define WS_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "ws/protocol.h"

/* The bytes of a message that has to be kept, shared by all who keep it. */
struct ws_outgoing_copy;

/*
 * A message to one server or to many. Its bytes are borrowed; whoever keeps them keeps a copy, which
 * is made for the first and serves all others: a thousand connections keep it in the time and the
 * memory that one needs. When it has been given to all, ws_outgoing_release().
 */
struct ws_outgoing {
	enum ws_opcode opcode; /* WS_TEXT or WS_BINARY */
	const void *data;      /* text must be UTF-8 */
	size_t length;         /* at most UINT32_MAX */
	uint64_t time;         /* since when it is held for a connection to open; monotonic ns */
	struct ws_outgoing_copy *copy; /* private; NULL: nobody has had to keep it yet */
};

/* The copy, for one more who keeps it until ws_outgoing_forget(). */
struct ws_outgoing_copy *ws_outgoing_keep(struct ws_outgoing *message);
void ws_outgoing_forget(struct ws_outgoing_copy *copy);
const void *ws_outgoing_copy_data(const struct ws_outgoing_copy *copy);

void ws_outgoing_release(struct ws_outgoing *message);

#endif
