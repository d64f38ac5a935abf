#ifndef WS_WATCH_H
#define WS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Signs of life of a server, from the moment it is asked for one by a ping or a close frame. It is
 * alive while
 *
 * - bytes arrive from it, whatever they are part of, read or not; or
 * - bytes that were sent ahead of the question are acknowledged, as it cannot know of the question
 *   yet. Acknowledgements come from the server's kernel, also while its process hangs: so those of
 *   the question itself, and of what follows it, are no sign; or
 * - bytes are acknowledged that filled our socket at the last look, whether ahead of the question or
 *   not: the buffers on the way are full too, and empty only because the process reads (one that
 *   hangs ends this as soon as its kernel's buffer is full); or
 * - the receive window that it announces grows beyond the largest so far: its process has read.
 *
 * Bytes that have only been put into our own socket are no sign. Counts may begin anywhere: only
 * their growth matters.
 */
struct ws_watch {
	uint64_t received; /* at the last look, */
	uint64_t acknowledged;
	uint32_t draining; /* bytes whose acknowledgement is a sign */
	uint32_t window;   /* the largest since bytes were last draining */
};

/* Bytes that have moved over a stream so far, at its lowest layer. */
struct ws_traffic {
	uint64_t received;     /* read or not */
	uint64_t sent;         /* into the socket, */
	uint64_t acknowledged; /* and of those by the peer's kernel */
	uint32_t window;       /* bytes that the peer takes at the moment; 0: none, or unknown */
	uint64_t silence; /* ns since its kernel last acknowledged anything, if only once more */
	bool full;        /* output waits for room in the socket */
	bool unread;      /* some that have arrived have not been parsed yet */
};

/* Asks: that many bytes of output are ahead of the question, and the socket has not taken any of
 * them. */
void ws_watch_ask(struct ws_watch *watch, size_t output);

/* The first look, before the question is in the socket. */
void ws_watch_begin(struct ws_watch *watch, const struct ws_traffic *traffic);

/* True if there was a sign since the look before. */
bool ws_watch_look(struct ws_watch *watch, const struct ws_traffic *traffic);

/* True if the question has not got through yet because the peer does not read, though its kernel has
 * answered within `timeout` (ns). A window opens only when much has been read: at once for a quick
 * reader, not so for a slow one. */
bool ws_watch_is_stuck(const struct ws_watch *watch, const struct ws_traffic *traffic,
	uint64_t timeout);

#endif
