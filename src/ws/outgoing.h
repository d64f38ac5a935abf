#ifndef WS_OUTGOING_H
#define WS_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ws/protocol.h"

/* The bytes of a message, shared by all queues that keep it. */
struct ws_outgoing_copy;

/*
 * A message to one server or to many. Its bytes are borrowed; a queue that keeps it keeps a copy,
 * made for the first and shared by the others, so a thousand connections need the time and the
 * memory of one. When all have had it, ws_outgoing_release().
 */
struct ws_outgoing {
	enum ws_opcode opcode; /* WS_TEXT or WS_BINARY */
	const void *data;      /* text must be UTF-8 */
	size_t length;         /* at most UINT32_MAX */
	uint64_t time;         /* when a connection was given it, of timers_now(); 0: unknown */
	bool keep;             /* until its last byte is written: see ws_endpoint_take_unsent() */
	bool transient;        /* no loss if it is not sent: the next WebSocket has another one */
	struct ws_outgoing_copy *copy; /* private; NULL: no queue keeps it yet */
};

/* The copy, for one more queue, which keeps it until ws_outgoing_forget(). */
struct ws_outgoing_copy *ws_outgoing_keep(struct ws_outgoing *message);
void ws_outgoing_forget(struct ws_outgoing_copy *copy);
const void *ws_outgoing_copy_data(const struct ws_outgoing_copy *copy);

void ws_outgoing_release(struct ws_outgoing *message);

#endif
