#include "outlet/listener.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
	LISTENER_BACKLOG = 256,
	LISTENER_BATCH = 16,         /* accepted in one go, so that a storm holds up nobody else */
	LISTENER_PAUSE_SECONDS = 1,  /* after running out of descriptors */
	LISTENER_EVENTS = 16,        /* listeners that have their turn in one go */
	LISTENER_SAY_SECONDS = 60,   /* between lines on refusals */
	LISTENER_MODE_MAX = 0777,
	LISTENER_BESIDE_TRIES = 1000,
	LISTENER_TRIES = 20, /* while another daemon starts at the same moment */
	LISTENER_WAIT_US = 1000,
};

TAILQ_HEAD(listener_list, listener);

struct listeners {
	struct log *log;
	int epoll;                   /* -1: there is none, and no listener can be made */
	struct event readable;       /* a connection to accept */
	struct event pause;          /* until its end */
	struct listener_list paused; /* those that could not accept */
	bool exhausted;              /* descriptors have run out, and it has been logged */
	unsigned reserve;            /* descriptors that accepted sockets leave free */
	uint64_t refused;            /* for the reserve, since it was last logged */
	uint64_t refused_said;       /* when it was: monotonic ns */
};

struct listener {
	struct listeners *listeners;
	const struct log_subject *about;
	const char *path;
	char *beside; /* where the other socket of an exchange stands; NULL: there is none */
	listener_accept *accept;
	void *context;
	int fd;
	dev_t device; /* of the file bound, so that only that one is ever changed or removed */
	ino_t inode;
	uid_t uid; /* that the file had when it was made */
	gid_t gid;
	mode_t mode_now;
	uid_t uid_now;
	gid_t gid_now;
	bool placed; /* the file stands at `path`, not beside it */
	bool paused;
	TAILQ_ENTRY(listener) entry; /* of the paused */
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

/* Whether nobody listens there any more. */
static bool listener_is_stale(const struct sockaddr_un *address, struct error *error)
{
	const char *path = address->sun_path;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int failure;

	if (fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: socket: %s", path, strerror(errno));
	failure = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	if (failure == ECONNREFUSED)
		return true;
	if (failure == 0 || failure == EAGAIN || failure == EPROTOTYPE)
		return error_set(error, ERROR_SYSTEM, "%s: another process is listening there",
			path);
	return error_set(error, ERROR_SYSTEM, "%s: there is a socket already: %s", path,
		strerror(failure));
}

/* A name in the folder of `path` that is free, and no longer than what fits. */
static bool listener_name_beside(const char *path, char beside[sizeof(struct sockaddr_un)],
	struct error *error)
{
	const size_t size = sizeof(((struct sockaddr_un *)NULL)->sun_path);
	const char *name = strrchr(path, '/') + 1;
	int folder = (int)(name - path);
	struct stat status;

	for (unsigned i = 0; i < LISTENER_BESIDE_TRIES; i++) {
		int length = snprintf(beside, size, "%.*s.%u.%s", folder, path, i, name);

		if (length >= (int)size && folder + 5 > (int)size)
			break; /* without even the number */
		if (lstat(beside, &status) < 0 && errno == ENOENT)
			return true;
	}
	return error_set(error, ERROR_SYSTEM, "%s: there is no name for a socket beside it", path);
}

/*
 * Held from the look at what stands at the path until the socket listens: of two daemons that find the
 * same stale one, the second would else remove what the first has just bound. A file in the folder,
 * which is removed again.
 */
struct listener_lock {
	int fd; /* -1: not held */
	char path[sizeof(struct sockaddr_un) + 16];
};

static bool listener_is_file(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
		ours.st_ino == there.st_ino;
}

/* Whoever has it does not take long. */
static bool listener_take_lock(struct listener_lock *lock, const char *path, struct error *error)
{
	int folder = (int)(strrchr(path, '/') + 1 - path);

	snprintf(lock->path, sizeof(lock->path), "%.*s.wsgated.lock", folder, path);
	for (int i = 0; i < LISTENER_TRIES; i++) {
		lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			S_IRUSR | S_IWUSR);
		if (lock->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
			return error_set(error, ERROR_SETTINGS, "%s: the directory does not exist",
				path);
		if (lock->fd < 0)
			return error_set(error, ERROR_SYSTEM, "%s: cannot make %s: %s", path,
				lock->path, strerror(errno));
		if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0 &&
			listener_is_file(lock->fd, lock->path))
			return true;
		close(lock->fd);
		lock->fd = -1;
		usleep(LISTENER_WAIT_US);
	}
	return error_set(error, ERROR_SYSTEM, "%s: another process is starting to listen there",
		path);
}

static void listener_drop_lock(struct listener_lock *lock)
{
	if (lock->fd < 0)
		return;
	unlink(lock->path);
	close(lock->fd);
}

/* Has the path free to bind, by removing a socket that nobody listens to. */
static bool listener_clear_path(const struct sockaddr_un *address, struct error *error)
{
	const char *path = address->sun_path;
	struct stat status;

	if (lstat(path, &status) < 0)
		return true; /* bind() says best what is wrong with the directory */
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, ERROR_SETTINGS,
			"%s: there is a file of that name which is not a socket", path);
	if (!listener_is_stale(address, error))
		return false;
	if (unlink(path) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot remove the stale socket: %s",
			path, strerror(errno));
	return true;
}

/* --- mode and owner ------------------------------------------------------------------------- */

static const char *listener_place(const struct listener *listener)
{
	return listener->placed ? listener->path : listener->beside;
}

/* The very file that was bound, whatever stands at its path by now: not to be followed, and not to
 * be mistaken. For the caller to close; -1: an error. */
static int listener_open_file(const struct listener *listener, struct stat *status,
	struct error *error)
{
	const char *path = listener_place(listener);
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		error_set(error, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, status) == 0 && S_ISSOCK(status->st_mode) &&
		(!listener->inode || (status->st_dev == listener->device &&
			status->st_ino == listener->inode)))
		return fd;
	close(fd);
	error_set(error, ERROR_SYSTEM, "%s: is no longer the socket that was made there", path);
	return -1;
}

static bool listener_chown(struct listener *listener, int fd,
	const struct listener_access *access, struct error *error)
{
	uid_t uid = access->owner ? access->uid : listener->uid;
	gid_t gid = access->group ? access->gid : listener->gid;

	if (uid == listener->uid_now && gid == listener->gid_now)
		return true;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot give it to %s:%s: %s",
			listener->path, access->owner ? access->owner : "",
			access->group ? access->group : "", strerror(errno));
	listener->uid_now = uid;
	listener->gid_now = gid;
	return true;
}

/* By its descriptor: chmod() would follow a symbolic link that somebody has put at the path, and
 * fchmod() refuses a descriptor of O_PATH. */
static bool listener_chmod(struct listener *listener, int fd, mode_t mode, struct error *error)
{
	char path[64];

	if (mode == listener->mode_now)
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, mode) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot set mode %04o: %s%s",
			listener->path, (unsigned)mode, strerror(errno),
			errno == ENOENT ? " (it takes a mounted /proc)" : "");
	listener->mode_now = mode;
	return true;
}

/* In between nobody may who may not before or after. */
static bool listener_apply_access(struct listener *listener, const struct listener_access *access,
	struct error *error)
{
	struct stat status;
	int fd = listener_open_file(listener, &status, error);
	bool applied;

	if (fd < 0)
		return false;
	applied = listener_chmod(listener, fd, access->mode & listener->mode_now, error) &&
		listener_chown(listener, fd, access, error) &&
		listener_chmod(listener, fd, access->mode, error);
	close(fd);
	return applied;
}

bool listener_set_access(struct listener *listener, const struct listener_access *access,
	struct error *error)
{
	const struct listener_access before = {
		.mode = listener->mode_now,
		.owner = "",
		.group = "",
		.uid = listener->uid_now,
		.gid = listener->gid_now,
	};
	struct error again;

	if (access->mode == before.mode &&
		(access->owner ? access->uid : listener->uid) == before.uid &&
		(access->group ? access->gid : listener->gid) == before.gid)
		return true;
	if (listener_apply_access(listener, access, error))
		return true;
	listener_apply_access(listener, &before, &again);
	return false;
}

/* --- making one ----------------------------------------------------------------------------- */

/* The file gets the mode that is wanted as it is made. Until listen() nobody can connect. */
static bool listener_bind(struct listener *listener, const struct sockaddr_un *address,
	const struct listener_access *access, struct error *error)
{
	mode_t before = umask(LISTENER_MODE_MAX & ~access->mode);
	int outcome = bind(listener->fd, (const struct sockaddr *)address, sizeof(*address));
	int failure = errno;

	umask(before);
	if (outcome == 0)
		return true;
	if (failure == ENOENT)
		return error_set(error, ERROR_SETTINGS, "%s: the directory does not exist",
			listener->path);
	if (failure == EADDRINUSE)
		return error_set(error, ERROR_SYSTEM,
			"%s: another process is starting to listen there", listener->path);
	return error_set(error, ERROR_SYSTEM, "%s: cannot bind the socket: %s", listener->path,
		strerror(failure));
}

static bool listener_note_file(struct listener *listener, const struct listener_access *access,
	struct error *error)
{
	struct stat status;
	int fd = listener_open_file(listener, &status, error);

	if (fd < 0)
		return false;
	close(fd);
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	listener->uid = listener->uid_now = status.st_uid;
	listener->gid = listener->gid_now = status.st_gid;
	listener->mode_now = status.st_mode & LISTENER_MODE_MAX;
	return listener_set_access(listener, access, error);
}

static bool listener_watch(struct listener *listener, struct error *error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

	if (epoll_ctl(listener->listeners->epoll, EPOLL_CTL_ADD, listener->fd, &event) == 0)
		return true;
	return error_set(error, ERROR_SYSTEM, "%s: epoll: %s", listener->path, strerror(errno));
}

static bool listener_listen(struct listener *listener, const struct sockaddr_un *address, int type,
	const struct listener_access *access, struct error *error)
{
	listener->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: socket: %s", listener->path,
			strerror(errno));
	if (!listener_bind(listener, address, access, error) ||
		!listener_note_file(listener, access, error))
		return false;
	if (listen(listener->fd, LISTENER_BACKLOG) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: listen: %s", listener->path,
			strerror(errno));
	return listener_watch(listener, error);
}

static bool listener_open(struct listener *listener, int type,
	const struct listener_access *access, struct error *error)
{
	struct listener_lock lock = {.fd = -1};
	struct sockaddr_un address;
	bool opened;

	if (!listener_address(&address, listener_place(listener), error))
		return false;
	opened = !listener->placed || (listener_take_lock(&lock, listener->path, error) &&
		listener_clear_path(&address, error));
	opened = opened && listener_listen(listener, &address, type, access, error);
	listener_drop_lock(&lock);
	return opened;
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

/* The connection that cannot be accepted stays readable: to go on would be to spin. */
static void listener_pause(struct listener *listener, int failure)
{
	const struct timeval pause = {.tv_sec = LISTENER_PAUSE_SECONDS};
	struct listeners *listeners = listener->listeners;

	if (!listeners->exhausted)
		log_write(listeners->log, LOG_ERR, listener->about,
			"cannot accept at %s: %s; trying again every %d s", listener->path,
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
	if (listeners->refused_said &&
		now - listeners->refused_said < LISTENER_SAY_SECONDS * CLOCK_NS_PER_SECOND)
		return false;
	log_write(listeners->log, LOG_WARNING, listener->about,
		"subscribers refused: %llu; no more than %u descriptors are theirs, the others are "
		"kept for connections and control (LimitNOFILE=, ulimit -n)",
		(unsigned long long)listeners->refused, ceiling);
	listeners->refused_said = now;
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

/* `beside`: where it is bound for now; NULL: at its path. */
static struct listener *listener_make(struct listeners *listeners, const struct log_subject *about,
	const char *path, const char *beside, int type, const struct listener_access *access,
	listener_accept *accept, void *context, struct error *error)
{
	struct listener *listener = alloc_zero(1, sizeof(*listener));

	listener->listeners = listeners;
	listener->about = about;
	listener->path = path;
	listener->beside = beside ? alloc_string(beside) : NULL;
	listener->placed = !beside;
	listener->accept = accept;
	listener->context = context;
	listener->fd = -1;
	if (listener_open(listener, type, access, error))
		return listener;
	listener_free(listener);
	return NULL;
}

struct listener *listener_new(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	return listener_make(listeners, about, path, NULL, type, access, accept, context, error);
}

/* --- in the place of another ---------------------------------------------------------------- */

struct listener *listener_new_beside(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	char beside[sizeof(struct sockaddr_un)];

	if (!listener_name_beside(path, beside, error))
		return NULL;
	return listener_make(listeners, about, path, beside, type, access, accept, context, error);
}

bool listener_in_place(const struct listener *listener, struct error *error)
{
	struct stat status;
	int fd;

	if (access(listener->path, F_OK) < 0 && errno == ENOENT)
		return true; /* somebody has removed it: the path is free */
	fd = listener_open_file(listener, &status, error);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Where the path is free there is nothing to swap with. */
bool listener_exchange(struct listener *listener, struct error *error)
{
	const char *beside = listener->beside;

	if (renameat2(AT_FDCWD, beside, AT_FDCWD, listener->path, RENAME_EXCHANGE) < 0 &&
		(errno != ENOENT ||
			renameat2(AT_FDCWD, beside, AT_FDCWD, listener->path, RENAME_NOREPLACE) < 0))
		return error_set(error, ERROR_SYSTEM, "%s: cannot replace the socket: %s",
			listener->path, strerror(errno));
	listener->placed = !listener->placed;
	return true;
}

void listener_settle(struct listener *listener)
{
	struct stat status;

	if (lstat(listener->beside, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(listener->beside);
	free(listener->beside);
	listener->beside = NULL;
}

void listener_free(struct listener *listener)
{
	struct stat status;

	if (!listener)
		return;
	if (listener->inode && lstat(listener_place(listener), &status) == 0 &&
		status.st_dev == listener->device && status.st_ino == listener->inode)
		unlink(listener_place(listener));
	if (listener->paused)
		listener_resume(listener);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener->beside);
	free(listener);
}
