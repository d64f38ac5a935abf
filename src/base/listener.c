#include "base/listener.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
	LISTENER_BACKLOG = 256,
	LISTENER_BATCH = 16,        /* accepted at a time, so that a storm holds up nobody else */
	LISTENER_PAUSE_SECONDS = 1, /* after running out of descriptors */
	LISTENER_EVENTS = 16,       /* listeners served at a time */
	LISTENER_LOG_SECONDS = 60,  /* between lines about refusals */
};

TAILQ_HEAD(listener_list, listener);

struct listeners {
	struct log *log;
	int epoll;                   /* -1: none, and no listener can be created */
	struct event readable;       /* a connection to accept */
	struct event pause;          /* until those paused try again */
	struct listener_list paused; /* could not accept */
	bool exhausted;              /* of descriptors, and it has been logged */
	unsigned reserve;            /* descriptors kept from accepted sockets */
	uint64_t refused;            /* because of the reserve, and not logged yet */
	uint64_t refused_logged;     /* last time: monotonic ns */
};

struct listener {
	struct listeners *listeners;
	const struct log_subject *about;
	struct socket_file file;
	listener_accept *accept;
	void *context;
	bool held : 1; /* accepts nobody yet */
	bool paused : 1;
	int fd;
	TAILQ_ENTRY(listener) entry; /* among the paused */
};

/* A held listener is added to epoll as well, so that listener_settle() cannot fail. */
static bool listener_watch(struct listener *listener, struct error *error)
{
	struct epoll_event event = {.events = listener->held ? 0 : EPOLLIN, .data.ptr = listener};

	if (epoll_ctl(listener->listeners->epoll, EPOLL_CTL_ADD, listener->fd, &event) == 0)
		return true;
	return error_set(error, ERROR_SYSTEM, "%s: epoll: %s", listener->file.path,
		strerror(errno));
}

static bool listener_listen(struct listener *listener, int type, const struct socket_access *access,
	struct error *error)
{
	listener->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: socket: %s", listener->file.path,
			strerror(errno));
	return socket_file_listen(&listener->file, listener->fd, LISTENER_BACKLOG, access, error) &&
		listener_watch(listener, error);
}

/* --- accepting ------------------------------------------------------------------------------ */

/* False when it cannot accept. */
static bool listener_take(const struct listener *listener, struct listeners *listeners)
{
	for (int i = 0; i < LISTENER_BATCH; i++) {
		int accepted = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted >= 0) {
			listeners->exhausted = false;
			listener->accept(accepted, listener->context);
		} else if (errno == EAGAIN) {
			return true;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return false;
		}
	}
	return true;
}

/* The pending connection stays readable: without a pause the loop would spin. */
static void listener_pause(struct listener *listener, int failure)
{
	const struct timeval pause = {.tv_sec = LISTENER_PAUSE_SECONDS};
	struct listeners *listeners = listener->listeners;

	if (!listeners->exhausted)
		log_write(listeners->log, LOG_ERR, listener->about,
			"cannot accept at %s: %s; trying again every %d s", listener->file.path,
			strerror(failure), LISTENER_PAUSE_SECONDS);
	listeners->exhausted = true;
	listener->paused = true;
	epoll_ctl(listeners->epoll, EPOLL_CTL_DEL, listener->fd, NULL);
	TAILQ_INSERT_TAIL(&listeners->paused, listener, entry);
	if (!event_pending(&listeners->pause, EV_TIMEOUT, NULL))
		event_add(&listeners->pause, &pause);
}

static void listener_resume(struct listener *listener)
{
	TAILQ_REMOVE(&listener->listeners->paused, listener, entry);
	listener->paused = false;
}

static void listeners_on_pause_end(evutil_socket_t fd, short what, void *context)
{
	const struct timeval pause = {.tv_sec = LISTENER_PAUSE_SECONDS};
	struct listeners *listeners = context;
	struct listener *listener, *next;
	struct error error;

	(void)fd, (void)what;
	for (listener = TAILQ_FIRST(&listeners->paused); listener; listener = next) {
		next = TAILQ_NEXT(listener, entry);
		if (listener_watch(listener, &error))
			listener_resume(listener);
	}
	if (!TAILQ_EMPTY(&listeners->paused))
		event_add(&listeners->pause, &pause);
}

static void listeners_on_readable(evutil_socket_t fd, short what, void *context)
{
	struct epoll_event events[LISTENER_EVENTS];
	struct listeners *listeners = context;
	int count = epoll_wait(fd, events, LISTENER_EVENTS, 0);

	(void)what;
	for (int i = 0; i < count; i++) {
		struct listener *listener = events[i].data.ptr;

		if (!listener_take(listener, listeners))
			listener_pause(listener, errno);
	}
}

void listeners_reserve(struct listeners *listeners, unsigned descriptors)
{
	listeners->reserve = descriptors;
}

unsigned listeners_ceiling(const struct listeners *listeners)
{
	struct rlimit limit;
	rlim_t reserve = listeners->reserve;

	if (!reserve || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	if (reserve > limit.rlim_cur / 2)
		reserve = limit.rlim_cur / 2;
	return (unsigned)(limit.rlim_cur - reserve);
}

struct listeners *listener_listeners(const struct listener *listener)
{
	return listener->listeners;
}

bool listener_may_keep(const struct listener *listener, int fd)
{
	struct listeners *listeners = listener->listeners;
	const unsigned ceiling = listeners_ceiling(listeners);
	uint64_t now;

	if ((unsigned)fd < ceiling)
		return true;
	listeners->refused++;
	now = clock_monotonic();
	if (listeners->refused_logged &&
		now - listeners->refused_logged < LISTENER_LOG_SECONDS * CLOCK_NS_PER_SECOND)
		return false;
	log_write(listeners->log, LOG_WARNING, listener->about,
		"refused at %s: %llu; descriptors from %u up are reserved for connections and "
		"control (LimitNOFILE=, ulimit -n)",
		listener->file.path, (unsigned long long)listeners->refused, ceiling);
	listeners->refused_logged = now;
	listeners->refused = 0;
	return false;
}

struct listeners *listeners_new(struct event_base *base, struct log *log)
{
	struct listeners *listeners = alloc_zero(1, sizeof(*listeners));

	listeners->log = log;
	TAILQ_INIT(&listeners->paused);
	listeners->epoll = epoll_create1(EPOLL_CLOEXEC);
	event_assign(&listeners->readable, base, listeners->epoll, EV_READ | EV_PERSIST,
		listeners_on_readable, listeners);
	evtimer_assign(&listeners->pause, base, listeners_on_pause_end, listeners);
	if (listeners->epoll >= 0)
		event_add(&listeners->readable, NULL);
	return listeners;
}

void listeners_free(struct listeners *listeners)
{
	if (!listeners)
		return;
	event_del(&listeners->readable);
	event_del(&listeners->pause);
	if (listeners->epoll >= 0)
		close(listeners->epoll);
	free(listeners);
}

/* `beside`: under a name beside its path for now. `held`: accepts nobody yet. */
static struct listener *listener_make(struct listeners *listeners, const struct log_subject *about,
	const char *path, bool beside, bool held, int type, const struct socket_access *access,
	listener_accept *accept, void *context, struct error *error)
{
	struct listener *listener = alloc_zero(1, sizeof(*listener));

	listener->listeners = listeners;
	listener->about = about;
	socket_file_init(&listener->file, path, beside);
	listener->held = held;
	listener->accept = accept;
	listener->context = context;
	listener->fd = -1;
	if (listener_listen(listener, type, access, error))
		return listener;
	listener_free(listener);
	return NULL;
}

struct listener *listener_new(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	return listener_make(listeners, about, path, false, false, type, access, accept, context,
		error);
}

struct listener *listener_new_held(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	return listener_make(listeners, about, path, false, true, type, access, accept, context,
		error);
}

/* --- replacing another ------------------------------------------------------------------------ */

struct listener *listener_new_beside(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	return listener_make(listeners, about, path, true, true, type, access, accept, context,
		error);
}

bool listener_in_place(const struct listener *listener)
{
	return socket_file_in_place(&listener->file);
}

bool listener_replaces(const struct listener *listener)
{
	return listener->file.beside != NULL;
}

bool listener_exchange(struct listener *listener, struct error *error)
{
	return socket_file_exchange(&listener->file, error);
}

void listener_settle(struct listener *listener)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

	socket_file_remove_other(&listener->file);
	listener->held = false;
	epoll_ctl(listener->listeners->epoll, EPOLL_CTL_MOD, listener->fd, &event);
}

struct listener *listener_new_again(const struct listener *old, const struct socket_access *access,
	struct error *error)
{
	int type = SOCK_STREAM;
	socklen_t length = sizeof(type);

	getsockopt(old->fd, SOL_SOCKET, SO_TYPE, &type, &length);
	return listener_new_held(old->listeners, old->about, old->file.path, type, access,
		old->accept, old->context, error);
}

/* Clients that have connected already are in the backlog. */
void listener_succeed(struct listener *old, struct listener *listener)
{
	int accepted;

	for (int i = 0; i < LISTENER_BACKLOG; i++) {
		accepted = accept4(old->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (accepted < 0)
			break;
		old->accept(accepted, old->context);
	}
	log_write(old->listeners->log, LOG_NOTICE, old->about,
		"its socket was gone from %s: listening there again", old->file.path);
	listener_free(old);
	listener_settle(listener);
}

bool listener_set_access(struct listener *listener, const struct socket_access *access,
	struct error *error)
{
	return socket_file_set_access(&listener->file, access, error);
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	if (listener->paused)
		listener_resume(listener);
	if (listener->fd >= 0)
		close(listener->fd);
	socket_file_remove(&listener->file); /* with the descriptor that has become free */
	socket_file_release(&listener->file);
	free(listener);
}
