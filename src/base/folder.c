#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FOLDER_TRIES = 20 }; /* while the file is removed between opening and locking */

static const char folder_lock_name[] = ".wsgated.lock";

const char *folder_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

bool folder_check_path(const char *path, struct error *error)
{
	const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	const char *name = folder_name(path);

	if (strlen(path) > most)
		return error_set(error, ERROR_SETTINGS,
			"the path of a socket can have at most %zu bytes, '%s' has %zu", most, path,
			strlen(path));
	if (strlen(name) > FOLDER_NAME_MAX)
		return error_set(error, ERROR_SETTINGS,
			"the file name of a socket can have at most %d bytes, that of '%s' has %zu",
			FOLDER_NAME_MAX, path, strlen(name));
	return true;
}

bool folder_open(struct folder *folder, const char *path, struct error *error)
{
	char text[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct stat status;

	if (!folder_check_path(path, error))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(folder_name(path) - path), path);
	*folder = (struct folder){.fd = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC), .path = path};
	if (folder->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return error_set(error, ERROR_SETTINGS, "%s: the directory does not exist", path);
	if (folder->fd < 0 || fstat(folder->fd, &status) < 0) {
		error_set(error, ERROR_SYSTEM, "%s: cannot open the directory: %s", path,
			strerror(errno));
		folder_close(folder);
		return false;
	}
	folder->device = status.st_dev;
	folder->inode = status.st_ino;
	return true;
}

void folder_close(struct folder *folder)
{
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
}

bool folder_has(const struct folder *folder, const char *name)
{
	struct stat status;

	return fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* There is no bindat(): but the way through the descriptor cannot be led astray. */
bool folder_bind(const struct folder *folder, const char *name, int socket, mode_t mode,
	struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int outcome, failure;
	mode_t before;

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.*s", folder->fd,
		FOLDER_NAME_MAX, name);
	before = umask(ACCESSPERMS & ~mode);
	outcome = bind(socket, (const struct sockaddr *)&address, sizeof(address));
	failure = errno;
	umask(before);
	if (outcome == 0)
		return true;
	if (failure == EADDRINUSE)
		return error_set(error, ERROR_SYSTEM,
			"%s: another process is starting to listen there", folder->path);
	return error_set(error, ERROR_SYSTEM, "%s: cannot bind the socket: %s%s", folder->path,
		strerror(failure), failure == ENOENT ? " (needs a mounted /proc)" : "");
}

int folder_look(const struct folder *folder, const char *name, struct stat *status)
{
	int fd = openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int failure;

	if (fd < 0 || fstat(fd, status) == 0)
		return fd;
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

int folder_connect(int file, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int failure = 0;

	if (fd < 0)
		return errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		failure = errno;
	close(fd);
	return failure;
}

static bool folder_holds(const struct folder *folder, int lock)
{
	struct stat ours, there;

	return fstat(lock, &ours) == 0 &&
		fstatat(folder->fd, folder_lock_name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int folder_lock(const struct folder *folder, struct error *error)
{
	const int length = (int)(folder_name(folder->path) - folder->path);
	bool held = false;
	int lock;

	for (int i = 0; i < FOLDER_TRIES && !held; i++) {
		lock = openat(folder->fd, folder_lock_name,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
		if (lock < 0) {
			error_set(error, ERROR_SYSTEM, "%s: cannot open the lock file %.*s%s: %s",
				folder->path, length, folder->path, folder_lock_name,
				errno == ELOOP ? "it is a symbolic link" : strerror(errno));
			return -1;
		}
		held = flock(lock, LOCK_EX | LOCK_NB) < 0;
		if (!held && folder_holds(folder, lock))
			return lock;
		close(lock);
	}
	error_set(error, ERROR_LOCKED,
		"%s: another process holds the lock file %.*s%s: a daemon that starts, or somebody "
		"who may write to the directory and should not",
		folder->path, length, folder->path, folder_lock_name);
	return -1;
}

void folder_unlock(const struct folder *folder, int lock)
{
	if (lock < 0)
		return;
	unlinkat(folder->fd, folder_lock_name, 0);
	close(lock);
}
