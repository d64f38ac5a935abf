#include "outlet/listener.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
	LISTENER_BACKLOG = 256,
	LISTENER_BATCH = 16,        /* accepted in one go, so that a storm holds up nobody else */
	LISTENER_PAUSE_SECONDS = 1, /* after running out of descriptors */
	LISTENER_EVENTS = 16,       /* likewise of listeners */
};

struct listeners {
	struct log *log;
	int epoll;             /* -1: there is none, and no listener can be made */
	struct event readable; /* a connection to accept */
	struct event pause;    /* until its end */
	bool exhausted;        /* descriptors have run out, and it has been logged */
};

struct listener {
	const struct log_subject *about;
	const char *path;
	listener_accept *accept;
	void *context;
	int fd;
	dev_t device; /* of the file bound, so that only that one is ever removed */
	ino_t inode;
};

static bool listener_address(struct sockaddr_un *address, const char *path, struct error *error)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(error, ERROR_SETTINGS,
			"%s: the path of a UNIX socket is limited to %zu bytes, this one has %zu",
			path, sizeof(address->sun_path) - 1, strlen(path));
	strcpy(address->sun_path, path);
	return true;
}

/* Has the path free to bind, by removing a socket that nobody listens to. */
static bool listener_clear_path(const struct sockaddr_un *address, struct error *error)
{
	const char *path = address->sun_path;
	struct stat status;
	int fd, failure;

	if (lstat(path, &status) < 0)
		return true; /* bind() says best what is wrong with the directory */
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, ERROR_SETTINGS,
			"%s: there is a file of that name which is not a socket", path);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: socket: %s", path, strerror(errno));
	failure = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	if (failure == 0 || failure == EAGAIN || failure == EPROTOTYPE)
		return error_set(error, ERROR_SYSTEM, "%s: another process is listening there",
			path);
	if (failure != ECONNREFUSED)
		return error_set(error, ERROR_SYSTEM, "%s: there is a socket already: %s", path,
			strerror(failure));
	if (unlink(path) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot remove the stale socket: %s",
			path, strerror(errno));
	return true;
}

/* The ids that the names stand for; (uid_t)-1 and (gid_t)-1, which chown() leaves as they are, for
 * no name. */
static bool listener_ids(const struct listener_access *access, uid_t *uid, gid_t *gid,
	struct error *error)
{
	const struct passwd *user;
	const struct group *group;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (access->owner) {
		user = getpwnam(access->owner);
		if (!user)
			return error_set(error, ERROR_SETTINGS, "there is no user '%s'",
				access->owner);
		*uid = user->pw_uid;
	}
	if (access->group) {
		group = getgrnam(access->group);
		if (!group)
			return error_set(error, ERROR_SETTINGS, "there is no group '%s'",
				access->group);
		*gid = group->gr_gid;
	}
	return true;
}

static bool listener_apply_access(const char *path, const struct listener_access *access,
	struct error *error)
{
	uid_t uid;
	gid_t gid;

	if (!listener_ids(access, &uid, &gid, error))
		return error_prefix(error, "%s: ", path);
	if ((access->owner || access->group) && lchown(path, uid, gid) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot give it to %s:%s: %s", path,
			access->owner ? access->owner : "", access->group ? access->group : "",
			strerror(errno));
	if (chmod(path, access->mode) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot set mode %04o: %s", path,
			(unsigned)access->mode, strerror(errno));
	return true;
}

/* Binds for the owner alone: others may come once the wanted access is set. */
static bool listener_bind(struct listener *listener, const struct sockaddr_un *address,
	struct error *error)
{
	mode_t before = umask(0177);
	int outcome = bind(listener->fd, (const struct sockaddr *)address, sizeof(*address));
	int failure = errno;
	struct stat status;

	umask(before);
	if (outcome < 0 && failure == ENOENT)
		return error_set(error, ERROR_SETTINGS, "%s: the directory does not exist",
			listener->path);
	if (outcome < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot bind the socket: %s",
			listener->path, strerror(failure));
	if (lstat(listener->path, &status) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: %s", listener->path, strerror(errno));
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	return true;
}

static bool listener_open(struct listener *listener, struct listeners *listeners, int type,
	const struct listener_access *access, struct error *error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
	struct sockaddr_un address;

	if (!listener_address(&address, listener->path, error))
		return false;
	if (!listener_clear_path(&address, error))
		return false;
	listener->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: socket: %s", listener->path,
			strerror(errno));
	if (!listener_bind(listener, &address, error))
		return false;
	if (!listener_apply_access(listener->path, access, error))
		return false;
	if (listen(listener->fd, LISTENER_BACKLOG) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: listen: %s", listener->path,
			strerror(errno));
	if (epoll_ctl(listeners->epoll, EPOLL_CTL_ADD, listener->fd, &event) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: epoll: %s", listener->path,
			strerror(errno));
	return true;
}

/* False when descriptors have run out. */
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

/* The connection that cannot be accepted stays readable: to go on would be to spin. */
static void listeners_pause(struct listeners *listeners, const struct listener *refused,
	int failure)
{
	const struct timeval pause = {.tv_sec = LISTENER_PAUSE_SECONDS};

	if (!listeners->exhausted)
		log_write(listeners->log, LOG_ERR, refused->about,
			"cannot accept at %s: %s; trying again every %d s", refused->path,
			strerror(failure), LISTENER_PAUSE_SECONDS);
	listeners->exhausted = true;
	event_del(&listeners->readable);
	event_add(&listeners->pause, &pause);
}

static void listeners_on_pause_end(evutil_socket_t fd, short what, void *context)
{
	struct listeners *listeners = context;

	(void)fd, (void)what;
	event_add(&listeners->readable, NULL);
}

static void listeners_on_readable(evutil_socket_t fd, short what, void *context)
{
	struct epoll_event events[LISTENER_EVENTS];
	struct listeners *listeners = context;
	int count = epoll_wait(fd, events, LISTENER_EVENTS, 0);

	(void)what;
	for (int i = 0; i < count; i++) {
		const struct listener *listener = events[i].data.ptr;

		if (!listener_take(listener, listeners)) {
			listeners_pause(listeners, listener, errno);
			return;
		}
	}
}

struct listeners *listeners_new(struct event_base *base, struct log *log)
{
	struct listeners *listeners = alloc_zero(1, sizeof(*listeners));

	listeners->log = log;
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

struct listener *listener_new(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	struct listener *listener = alloc_zero(1, sizeof(*listener));

	listener->about = about;
	listener->path = path;
	listener->accept = accept;
	listener->context = context;
	listener->fd = -1;
	if (listener_open(listener, listeners, type, access, error))
		return listener;
	listener_free(listener);
	return NULL;
}

void listener_free(struct listener *listener)
{
	struct stat status;

	if (!listener)
		return;
	if (listener->inode && lstat(listener->path, &status) == 0 &&
		status.st_dev == listener->device && status.st_ino == listener->inode)
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
}

bool listener_set_access(struct listener *listener, const struct listener_access *access,
	struct error *error)
{
	return listener_apply_access(listener->path, access, error);
}
