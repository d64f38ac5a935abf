#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"

/* A listening UNIX socket with an owner and a mode: for outlets and the control socket. */
struct listener;

/*
 * What waits for connections to any of them: an epoll of its own, which is one descriptor for
 * libevent, as an event for each of thousands of sockets would be most of what they cost. A
 * listener that cannot accept, because descriptors have run out, pauses for a second, which is said
 * once.
 */
struct listeners;

/* Borrows base and log. */
struct listeners *listeners_new(struct event_base *base, struct log *log);

/* The listeners must be gone. */
void listeners_free(struct listeners *listeners);

/*
 * So many descriptors are kept from the sockets that are accepted, but at most half of the limit,
 * for what matters more. The kernel gives the lowest number that is free: so an accepted socket
 * with one of the highest is not kept, and what has nothing to do with listeners always finds those
 * free. 0, as at first: no reserve.
 */
void listeners_reserve(struct listeners *listeners, unsigned descriptors);

/* Accepted sockets may have the numbers below this one. Looks at the limit of the process anew. */
unsigned listeners_ceiling(const struct listeners *listeners);

struct listener_access {
	mode_t mode;
	const char *owner; /* for the text of an error; NULL: as it comes */
	const char *group; /* likewise */
	uid_t uid; /* of the owner, where there is one */
	gid_t gid; /* likewise */
};

/* Takes an accepted socket, which is non-blocking and closed on exec; the callee owns it. The
 * listener must not be freed from here. */
typedef void listener_accept(int fd, void *context);

/*
 * Binds and listens; `type` is SOCK_STREAM or SOCK_SEQPACKET. The socket that a dead process left
 * at `path` is replaced; that of a living one, or any other kind of file, is an error. So is a lock
 * on the folder that another process holds at the moment: ERROR_LOCKED, never waited for. Borrows
 * everything but `access`.
 */
struct listener *listener_new(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error);

/* The same, but accepts nobody until listener_settle(), which cannot fail. */
struct listener *listener_new_held(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error);

/*
 * One that is to take the place of a listening socket of this process at `path`, without a moment
 * at which there is none: first under a name beside it; listener_exchange() swaps the two, and once
 * more swaps them back; after the swap listener_settle() removes the other, and accepts whoever has
 * come meanwhile. Freed before that, it leaves the other where it stands. listener_in_place() tells beforehand, of the other, whether
 * what is at its path is its own.
 */
struct listener *listener_new_beside(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error);
bool listener_in_place(const struct listener *listener, struct error *error);
bool listener_exchange(struct listener *listener, struct error *error);
void listener_settle(struct listener *listener);

/* What it is one of. */
struct listeners *listener_listeners(const struct listener *listener);

/* Whether a socket that it has accepted may be kept, because of the reserve; if not it is logged,
 * now and then. */
bool listener_may_keep(const struct listener *listener, int fd);

/* Stops listening; removes the socket from the file system if it is still the one made here. */
void listener_free(struct listener *listener);

/*
 * Changes mode and ownership of the socket, of the very one that was bound: what else may stand at
 * its path by now is left alone. On failure as much as possible is as it was.
 */
bool listener_set_access(struct listener *listener, const struct listener_access *access,
	struct error *error);

#endif
