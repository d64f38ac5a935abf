#ifndef OUTLET_LISTENER_H
#define OUTLET_LISTENER_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"

/* A listening UNIX socket with an owner and a mode: for outlets and the control socket. */
struct listener;

/*
 * What waits for connections to any of them: an epoll of its own, which is one descriptor for
 * libevent, as an event for each of thousands of sockets would be most of what they cost. When
 * descriptors run out it stops accepting for a second at a time, and says so once.
 */
struct listeners;

/* Borrows base and log. */
struct listeners *listeners_new(struct event_base *base, struct log *log);

/* The listeners must be gone. */
void listeners_free(struct listeners *listeners);

struct listener_access {
	mode_t mode;
	const char *owner; /* user name; NULL: as it comes */
	const char *group;
};

/* Takes an accepted socket, which is non-blocking and closed on exec; the callee owns it. The
 * listener must not be freed from here. */
typedef void listener_accept(int fd, void *context);

/*
 * Binds and listens; `type` is SOCK_STREAM or SOCK_SEQPACKET. The socket that a dead process left at
 * `path` is replaced; that of a living one, or any other kind of file, is an error. Borrows
 * everything but `access`.
 */
struct listener *listener_new(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error);

/* Stops listening; removes the socket from the file system if it is still the one made here. */
void listener_free(struct listener *listener);

/* Changes mode and ownership of the socket; on failure as much as possible is as it was. */
bool listener_set_access(struct listener *listener, const struct listener_access *access,
	struct error *error);

#endif
