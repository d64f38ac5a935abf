#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "base/socket_file.h"

/* A listening UNIX socket, as outlets and the control socket have it. */
struct listener;

/*
 * Waits for connections to all of its listeners: an epoll instance, and so one descriptor for libevent.
 * An event for each of thousands of sockets would be most of their cost. A listener that cannot accept
 * for want of descriptors pauses for a second; that is logged once.
 */
struct listeners;

/* Borrows base and log. */
struct listeners *listeners_new(struct event_base *base, struct log *log);

/* All listeners must have been freed. */
void listeners_free(struct listeners *listeners);

/*
 * Keeps `descriptors`, but at most half of the process's limit, free of accepted sockets. The kernel
 * assigns the lowest free number: so accepted sockets with the highest numbers are closed, and other
 * users of descriptors always find some. 0, the default: no reserve.
 */
void listeners_reserve(struct listeners *listeners, unsigned descriptors);

/* The number from which on accepted sockets are closed, by the current limit of the process. */
unsigned listeners_ceiling(const struct listeners *listeners);

/* Takes over an accepted socket, non-blocking and close-on-exec. Must not free the listener. */
typedef void listener_accept(int fd, void *context);

/*
 * Binds and listens; `type` is SOCK_STREAM or SOCK_SEQPACKET. See socket_file_listen() for what may be
 * at `path`. Borrows everything but `access`.
 */
struct listener *listener_new(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error);

/* Like listener_new(), but accepts nobody until listener_settle(), which cannot fail. */
struct listener *listener_new_held(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error);

/*
 * Replaces a listening socket of this process at `path` without a moment at which there is none: the
 * new one is first created beside it; listener_exchange() swaps the two, or swaps them back; then
 * listener_settle() removes the other, and accepts those who have connected meanwhile. Freed before
 * that, it leaves the other in its place. Only for one that is in its place, see below.
 */
struct listener *listener_new_beside(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error);
bool listener_exchange(struct listener *listener, struct error *error);
void listener_settle(struct listener *listener);

/* True if its path leads to its socket: neither the file nor its directory has been removed or
 * replaced. */
bool listener_in_place(const struct listener *listener);

/* True if it was made to replace another, which is still at the path, or beside it. */
bool listener_replaces(const struct listener *listener);

/*
 * For one that is not in its place: makes another held one for the same path, type, clients and
 * context; then listener_succeed() frees the old one, once it has accepted those who wait, and
 * settles the new one.
 */
struct listener *listener_new_again(const struct listener *old, const struct socket_access *access,
	struct error *error);
void listener_succeed(struct listener *old, struct listener *listener);

struct listeners *listener_listeners(const struct listener *listener);

/* False, and logged now and then, if the reserve forbids to keep the accepted socket. */
bool listener_may_keep(const struct listener *listener, int fd);

/* Stops listening, and removes the file if it is still the one created here. */
void listener_free(struct listener *listener);

/* See socket_file_set_access(). */
bool listener_set_access(struct listener *listener, const struct socket_access *access,
	struct error *error);

#endif
