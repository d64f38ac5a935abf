#include "base/listener.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/folder.h"

enum {
	LISTENER_BACKLOG = 256,
	LISTENER_BATCH = 16,         /* accepted in one go, so that a storm holds up nobody else */
	LISTENER_PAUSE_SECONDS = 1,  /* after running out of descriptors */
	LISTENER_EVENTS = 16,        /* listeners that have their turn in one go */
	LISTENER_SAY_SECONDS = 60,   /* between lines on refusals */
	LISTENER_MODE_MAX = 0777,
	LISTENER_BESIDE_TRIES = 1000,
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
	char *beside; /* name of the other socket of an exchange, in the same folder; NULL: there is none */
	listener_accept *accept;
	void *context;
	dev_t folder_device; /* of the folder, as it may be another by now that stands at its path */
	ino_t folder_inode;  /* 0: not known yet */
	dev_t device; /* of the file bound, so that only that one is ever changed or removed */
	ino_t inode;  /* 0: there is none yet */
	uid_t uid; /* that the file had when it was made */
	gid_t gid;
	uid_t uid_now;
	gid_t gid_now;
	uint16_t mode_now; /* at most LISTENER_MODE_MAX */
	bool placed : 1; /* the file stands at `path`, not beside it */
	bool held : 1;   /* nobody is accepted yet */
	bool paused : 1;
	int fd;
	TAILQ_ENTRY(listener) entry; /* of the paused */
};

/* The name of its file. */
static const char *listener_name(const struct listener *listener)
{
	return listener->placed ? folder_name(listener->path) : listener->beside;
}

/* The folder that it was made in, and no other that stands at the path by now. */
static bool listener_open_folder(const struct listener *listener, struct folder *folder,
	struct error *error)
{
	if (!folder_open(folder, listener->path, error))
		return false;
	if (!listener->folder_inode || (folder->device == listener->folder_device &&
		folder->inode == listener->folder_inode))
		return true;
	folder_close(folder);
	return error_set(error, ERROR_SYSTEM, "%s: the directory is no longer the one that it was",
		listener->path);
}

/* Whether nobody listens there any more. */
static bool listener_is_stale(const char *path, int file, struct error *error)
{
	int failure = folder_connect(file, SOCK_STREAM);

	if (failure == ECONNREFUSED)
		return true;
	if (failure == 0 || failure == EAGAIN || failure == EPROTOTYPE)
		return error_set(error, ERROR_SYSTEM, "%s: another process is listening there",
			path);
	return error_set(error, ERROR_SYSTEM, "%s: there is a socket already: %s", path,
		strerror(failure));
}

/* Has the name free to bind, by removing a socket that nobody listens to. */
static bool listener_clear_name(const struct folder *folder, const char *name, struct error *error)
{
	struct stat status;
	int file = folder_look(folder, name, &status);
	bool stale;

	if (file < 0)
		return true; /* bind() says best what is wrong */
	if (S_ISSOCK(status.st_mode))
		stale = listener_is_stale(folder->path, file, error);
	else
		stale = error_set(error, ERROR_SETTINGS,
			"%s: there is a file of that name which is not a socket", folder->path);
	close(file);
	if (stale && unlinkat(folder->fd, name, 0) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot remove the stale socket: %s",
			folder->path, strerror(errno));
	return stale;
}

/* A name that is free. */
static bool listener_name_beside(struct listener *listener, const struct folder *folder,
	struct error *error)
{
	char name[FOLDER_NAME_MAX + 1];

	for (unsigned i = 0; i < LISTENER_BESIDE_TRIES; i++) {
		snprintf(name, sizeof(name), ".%u.%.60s", i, folder_name(listener->path));
		if (folder_has(folder, name))
			continue;
		listener->beside = alloc_string(name);
		return true;
	}
	return error_set(error, ERROR_SYSTEM, "%s: there is no name for a socket beside it",
		listener->path);
}

/* --- mode and owner ------------------------------------------------------------------------- */

/* The very file that was bound, whatever stands there by now: not to be followed, and not to be
 * mistaken. For the caller to close; -1: an error. */
static int listener_open_file(const struct listener *listener, const struct folder *folder,
	struct error *error)
{
	struct stat status;
	int fd = folder_look(folder, listener_name(listener), &status);

	if (fd < 0) {
		error_set(error, ERROR_SYSTEM, "%s: %s", listener->path, strerror(errno));
		return -1;
	}
	if (S_ISSOCK(status.st_mode) && status.st_dev == listener->device &&
		status.st_ino == listener->inode)
		return fd;
	close(fd);
	error_set(error, ERROR_SYSTEM, "%s: is no longer the socket that was made there",
		listener->path);
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
	listener->mode_now = (uint16_t)mode;
	return true;
}

/* In between nobody may who may not before or after. */
static bool listener_apply_access(struct listener *listener, const struct folder *folder,
	const struct listener_access *access, struct error *error)
{
	int fd = listener_open_file(listener, folder, error);
	bool applied;

	if (fd < 0)
		return false;
	applied = listener_chmod(listener, fd, access->mode & listener->mode_now, error) &&
		listener_chown(listener, fd, access, error) &&
		listener_chmod(listener, fd, access->mode, error);
	close(fd);
	return applied;
}

static bool listener_has_access(const struct listener *listener,
	const struct listener_access *access)
{
	return access->mode == listener->mode_now &&
		(access->owner ? access->uid : listener->uid) == listener->uid_now &&
		(access->group ? access->gid : listener->gid) == listener->gid_now;
}

static bool listener_change_access(struct listener *listener, const struct folder *folder,
	const struct listener_access *access, struct error *error)
{
	const struct listener_access before = {
		.mode = listener->mode_now,
		.owner = "",
		.group = "",
		.uid = listener->uid_now,
		.gid = listener->gid_now,
	};
	struct error again;

	if (listener_has_access(listener, access) ||
		listener_apply_access(listener, folder, access, error))
		return true;
	listener_apply_access(listener, folder, &before, &again);
	return false;
}

bool listener_set_access(struct listener *listener, const struct listener_access *access,
	struct error *error)
{
	struct folder folder;
	bool changed;

	if (listener_has_access(listener, access))
		return true;
	if (!listener_open_folder(listener, &folder, error))
		return false;
	changed = listener_change_access(listener, &folder, access, error);
	folder_close(&folder);
	return changed;
}

/* --- making one ----------------------------------------------------------------------------- */

/* What has just been bound: nobody else can have made a socket that is ours and has no other name. */
static bool listener_note_file(struct listener *listener, const struct folder *folder,
	struct error *error)
{
	struct stat status;
	int fd = folder_look(folder, listener_name(listener), &status);

	if (fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: %s", listener->path, strerror(errno));
	close(fd);
	if (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1)
		return error_set(error, ERROR_SYSTEM,
			"%s: is no longer the socket that was made there", listener->path);
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	listener->uid = listener->uid_now = status.st_uid;
	listener->gid = listener->gid_now = status.st_gid;
	listener->mode_now = status.st_mode & LISTENER_MODE_MAX;
	return true;
}

/* One that is held is known to epoll as well, so that listener_settle() cannot fail. */
static bool listener_watch(struct listener *listener, struct error *error)
{
	struct epoll_event event = {.events = listener->held ? 0 : EPOLLIN, .data.ptr = listener};

	if (epoll_ctl(listener->listeners->epoll, EPOLL_CTL_ADD, listener->fd, &event) == 0)
		return true;
	return error_set(error, ERROR_SYSTEM, "%s: epoll: %s", listener->path, strerror(errno));
}

/* The file gets the mode that is wanted as it is made. Until listen() nobody can connect. */
static bool listener_listen(struct listener *listener, const struct folder *folder, int type,
	const struct listener_access *access, struct error *error)
{
	listener->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return error_set(error, ERROR_SYSTEM, "%s: socket: %s", listener->path,
			strerror(errno));
	if (!folder_bind(folder, listener_name(listener), listener->fd, access->mode, error) ||
		!listener_note_file(listener, folder, error) ||
		!listener_change_access(listener, folder, access, error))
		return false;
	if (listen(listener->fd, LISTENER_BACKLOG) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: listen: %s", listener->path,
			strerror(errno));
	return listener_watch(listener, error);
}

static bool listener_open_placed(struct listener *listener, const struct folder *folder, int type,
	const struct listener_access *access, struct error *error)
{
	int lock = folder_lock(folder, error);
	bool opened = lock >= 0 && listener_clear_name(folder, listener_name(listener), error) &&
		listener_listen(listener, folder, type, access, error);

	folder_unlock(folder, lock);
	return opened;
}

static bool listener_open(struct listener *listener, int type,
	const struct listener_access *access, struct error *error)
{
	struct folder folder;
	bool opened;

	if (!listener_open_folder(listener, &folder, error))
		return false;
	listener->folder_device = folder.device;
	listener->folder_inode = folder.inode;
	if (listener->placed)
		opened = listener_open_placed(listener, &folder, type, access, error);
	else
		opened = listener_name_beside(listener, &folder, error) &&
			listener_listen(listener, &folder, type, access, error);
	folder_close(&folder);
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

/* Not `placed`: under a name beside its path for now. `held`: nobody is accepted yet. */
static struct listener *listener_make(struct listeners *listeners, const struct log_subject *about,
	const char *path, bool placed, bool held, int type, const struct listener_access *access,
	listener_accept *accept, void *context, struct error *error)
{
	struct listener *listener = alloc_zero(1, sizeof(*listener));

	listener->listeners = listeners;
	listener->about = about;
	listener->path = path;
	listener->placed = placed;
	listener->held = held;
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
	return listener_make(listeners, about, path, true, false, type, access, accept, context,
		error);
}

struct listener *listener_new_held(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	return listener_make(listeners, about, path, true, true, type, access, accept, context,
		error);
}

/* --- in the place of another ---------------------------------------------------------------- */

struct listener *listener_new_beside(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct listener_access *access, listener_accept *accept,
	void *context, struct error *error)
{
	return listener_make(listeners, about, path, false, true, type, access, accept, context,
		error);
}

bool listener_in_place(const struct listener *listener, struct error *error)
{
	struct folder folder;
	bool in_place;
	int fd;

	if (!listener_open_folder(listener, &folder, error))
		return false;
	in_place = !folder_has(&folder, listener_name(listener)); /* removed: the path is free */
	fd = in_place ? -1 : listener_open_file(listener, &folder, error);
	folder_close(&folder);
	if (fd >= 0)
		close(fd);
	return in_place || fd >= 0;
}

/* Where the path is free there is nothing to swap with. */
bool listener_exchange(struct listener *listener, struct error *error)
{
	const char *beside = listener->beside, *name = folder_name(listener->path);
	struct folder folder;
	bool exchanged;

	if (!listener_open_folder(listener, &folder, error))
		return false;
	exchanged = renameat2(folder.fd, beside, folder.fd, name, RENAME_EXCHANGE) == 0 ||
		(errno == ENOENT &&
			renameat2(folder.fd, beside, folder.fd, name, RENAME_NOREPLACE) == 0);
	if (exchanged)
		listener->placed = !listener->placed;
	else
		error_set(error, ERROR_SYSTEM, "%s: cannot replace the socket: %s", listener->path,
			strerror(errno));
	folder_close(&folder);
	return exchanged;
}

static void listener_remove_other(struct listener *listener)
{
	struct folder folder;
	struct stat status;
	struct error error;

	if (listener_open_folder(listener, &folder, &error)) {
		if (fstatat(folder.fd, listener->beside, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISSOCK(status.st_mode))
			unlinkat(folder.fd, listener->beside, 0);
		folder_close(&folder);
	}
	free(listener->beside);
	listener->beside = NULL;
}

void listener_settle(struct listener *listener)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

	if (listener->beside)
		listener_remove_other(listener);
	listener->held = false;
	epoll_ctl(listener->listeners->epoll, EPOLL_CTL_MOD, listener->fd, &event);
}

/* Only the one made here. */
static void listener_remove_file(const struct listener *listener)
{
	struct folder folder;
	struct error error;
	int fd;

	if (!listener->inode || !listener_open_folder(listener, &folder, &error))
		return;
	fd = listener_open_file(listener, &folder, &error);
	if (fd >= 0) {
		unlinkat(folder.fd, listener_name(listener), 0);
		close(fd);
	}
	folder_close(&folder);
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	listener_remove_file(listener);
	if (listener->paused)
		listener_resume(listener);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener->beside);
	free(listener);
}
