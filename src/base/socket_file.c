#include "base/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/folder.h"

enum {
	SOCKET_FILE_MODE_MAX = 0777,
	SOCKET_FILE_BESIDE_TRIES = 1000,
};

void socket_file_init(struct socket_file *file, const char *path, bool beside)
{
	*file = (struct socket_file){.path = path, .placed = !beside};
}

void socket_file_release(struct socket_file *file)
{
	free(file->beside);
	file->beside = NULL;
}

static const char *socket_file_name(const struct socket_file *file)
{
	return file->placed ? folder_name(file->path) : file->beside;
}

/* The directory the file was created in, even if another one is at its path by now. */
static bool socket_file_open_folder(const struct socket_file *file, struct folder *folder,
	struct error *error)
{
	if (!folder_open(folder, file->path, error))
		return false;
	if (!file->folder_inode ||
		(folder->device == file->folder_device && folder->inode == file->folder_inode))
		return true;
	folder_close(folder);
	return error_set(error, ERROR_SYSTEM, "%s: the directory has been replaced", file->path);
}

/* The very file that was bound, never a link. The caller closes it; -1: an error. */
static int socket_file_open(const struct socket_file *file, const struct folder *folder,
	struct error *error)
{
	struct stat status;
	int fd = folder_look(folder, socket_file_name(file), &status);

	if (fd < 0) {
		error_set(error, ERROR_SYSTEM, "%s: %s", file->path, strerror(errno));
		return -1;
	}
	if (S_ISSOCK(status.st_mode) && status.st_dev == file->device &&
		status.st_ino == file->inode)
		return fd;
	close(fd);
	error_set(error, ERROR_SYSTEM, "%s: the socket has been replaced", file->path);
	return -1;
}

/* --- mode and ownership ---------------------------------------------------------------------- */

static bool socket_file_chown(struct socket_file *file, int fd, const struct socket_access *access,
	struct error *error)
{
	uid_t uid = access->owner ? access->uid : file->created_uid;
	gid_t gid = access->group ? access->gid : file->created_gid;

	if (uid == file->uid && gid == file->gid)
		return true;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot give it to %s:%s: %s", file->path,
			access->owner ? access->owner : "", access->group ? access->group : "",
			strerror(errno));
	file->uid = uid;
	file->gid = gid;
	return true;
}

/* Through the descriptor: chmod() would follow a symbolic link put at the path, and fchmod() refuses
 * descriptors of O_PATH. */
static bool socket_file_chmod(struct socket_file *file, int fd, mode_t mode, struct error *error)
{
	char path[64];

	if (mode == file->mode)
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, mode) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot set mode %04o: %s%s", file->path,
			(unsigned)mode, strerror(errno),
			errno == ENOENT ? " (needs a mounted /proc)" : "");
	file->mode = (uint16_t)mode;
	return true;
}

/* In three steps, so that nobody has access in between who has none before or after. */
static bool socket_file_apply_access(struct socket_file *file, const struct folder *folder,
	const struct socket_access *access, struct error *error)
{
	int fd = socket_file_open(file, folder, error);
	bool applied;

	if (fd < 0)
		return false;
	applied = socket_file_chmod(file, fd, access->mode & file->mode, error) &&
		socket_file_chown(file, fd, access, error) &&
		socket_file_chmod(file, fd, access->mode, error);
	close(fd);
	return applied;
}

static bool socket_file_has_access(const struct socket_file *file,
	const struct socket_access *access)
{
	return access->mode == file->mode &&
		(access->owner ? access->uid : file->created_uid) == file->uid &&
		(access->group ? access->gid : file->created_gid) == file->gid;
}

static bool socket_file_change_access(struct socket_file *file, const struct folder *folder,
	const struct socket_access *access, struct error *error)
{
	const struct socket_access before = {
		.mode = file->mode,
		.owner = "",
		.group = "",
		.uid = file->uid,
		.gid = file->gid,
	};
	struct error ignored;

	if (socket_file_has_access(file, access) ||
		socket_file_apply_access(file, folder, access, error))
		return true;
	socket_file_apply_access(file, folder, &before, &ignored);
	return false;
}

bool socket_file_set_access(struct socket_file *file, const struct socket_access *access,
	struct error *error)
{
	struct folder folder;
	bool changed;

	if (socket_file_has_access(file, access))
		return true;
	if (!socket_file_open_folder(file, &folder, error))
		return false;
	changed = socket_file_change_access(file, &folder, access, error);
	folder_close(&folder);
	return changed;
}

/* --- creating it ----------------------------------------------------------------------------- */

/* `uid`: of the file. */
static bool socket_file_is_stale(const char *path, int fd, uid_t uid, struct error *error)
{
	int failure = folder_connect(fd, SOCK_STREAM);

	if (failure == ECONNREFUSED)
		return true;
	if (failure == 0 || failure == EAGAIN || failure == EPROTOTYPE)
		return error_set(error, ERROR_SYSTEM,
			"%s: another process is listening there (the socket belongs to uid %lu)",
			path, (unsigned long)uid);
	return error_set(error, ERROR_SYSTEM, "%s: there is a socket of uid %lu already: %s", path,
		(unsigned long)uid, strerror(failure));
}

/* True if the file may be one that this daemon has left behind. */
static bool socket_file_is_ours(const struct socket_access *access, uid_t uid)
{
	return uid == geteuid() || (access->owner && uid == access->uid);
}

/* Removes a stale socket; any other file is an error. */
static bool socket_file_clear_name(const struct folder *folder, const char *name,
	const struct socket_access *access, struct error *error)
{
	const char *path = folder->path;
	struct stat status;
	int fd = folder_look(folder, name, &status);
	bool stale;

	if (fd < 0)
		return errno == ENOENT ||
			error_set(error, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
	if (S_ISSOCK(status.st_mode))
		stale = socket_file_is_stale(path, fd, status.st_uid, error);
	else
		stale = error_set(error, ERROR_SETTINGS,
			"%s: there is a file of that name, of uid %lu, which is not a socket", path,
			(unsigned long)status.st_uid);
	close(fd);
	if (stale && !socket_file_is_ours(access, status.st_uid))
		return error_set(error, ERROR_SYSTEM,
			"%s: there is a stale socket of another user (uid %lu); remove it", path,
			(unsigned long)status.st_uid);
	if (stale && unlinkat(folder->fd, name, 0) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: cannot remove the stale socket: %s",
			path, strerror(errno));
	return stale;
}

static bool socket_file_name_beside(struct socket_file *file, const struct folder *folder,
	struct error *error)
{
	char name[FOLDER_NAME_MAX + 1];

	for (unsigned i = 0; i < SOCKET_FILE_BESIDE_TRIES; i++) {
		snprintf(name, sizeof(name), ".%u.%.60s", i, folder_name(file->path));
		if (folder_has(folder, name))
			continue;
		file->beside = alloc_string(name);
		return true;
	}
	return error_set(error, ERROR_SYSTEM, "%s: no free name for a socket beside it",
		file->path);
}

/* Identifies the file just bound: nobody else can have created a socket that is ours and has no other
 * name. */
static bool socket_file_note(struct socket_file *file, const struct folder *folder,
	struct error *error)
{
	struct stat status;

	if (fstatat(folder->fd, socket_file_name(file), &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: %s", file->path, strerror(errno));
	if (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1)
		return error_set(error, ERROR_SYSTEM, "%s: the socket has been replaced",
			file->path);
	file->device = status.st_dev;
	file->inode = status.st_ino;
	file->created_uid = file->uid = status.st_uid;
	file->created_gid = file->gid = status.st_gid;
	file->mode = status.st_mode & SOCKET_FILE_MODE_MAX;
	return true;
}

/* The file is created with its mode, and nobody can connect before listen(). */
static bool socket_file_bind(struct socket_file *file, const struct folder *folder, int socket,
	int backlog, const struct socket_access *access, struct error *error)
{
	if (!folder_bind(folder, socket_file_name(file), socket, access->mode, error) ||
		!socket_file_note(file, folder, error) ||
		!socket_file_change_access(file, folder, access, error))
		return false;
	if (listen(socket, backlog) < 0)
		return error_set(error, ERROR_SYSTEM, "%s: listen: %s", file->path,
			strerror(errno));
	return true;
}

static bool socket_file_bind_placed(struct socket_file *file, const struct folder *folder,
	int socket, int backlog, const struct socket_access *access, struct error *error)
{
	int lock = folder_lock(folder, error);
	bool bound = lock >= 0 &&
		socket_file_clear_name(folder, socket_file_name(file), access, error) &&
		socket_file_bind(file, folder, socket, backlog, access, error);

	folder_unlock(folder, lock);
	return bound;
}

bool socket_file_listen(struct socket_file *file, int socket, int backlog,
	const struct socket_access *access, struct error *error)
{
	struct folder folder;
	bool bound;

	if (!socket_file_open_folder(file, &folder, error))
		return false;
	file->folder_device = folder.device;
	file->folder_inode = folder.inode;
	if (file->placed)
		bound = socket_file_bind_placed(file, &folder, socket, backlog, access, error);
	else
		bound = socket_file_name_beside(file, &folder, error) &&
			socket_file_bind(file, &folder, socket, backlog, access, error);
	folder_close(&folder);
	return bound;
}

/* --- replacing and removing it ---------------------------------------------------------------- */

/* Takes no descriptor: there may be none left. */
static bool socket_file_is_at(const struct socket_file *file, const struct folder *folder)
{
	struct stat status;

	return fstatat(folder->fd, socket_file_name(file), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISSOCK(status.st_mode) && status.st_dev == file->device &&
		status.st_ino == file->inode;
}

bool socket_file_in_place(const struct socket_file *file)
{
	struct folder folder;
	struct error ignored;
	bool in_place;

	if (!socket_file_open_folder(file, &folder, &ignored))
		return false;
	in_place = socket_file_is_at(file, &folder);
	folder_close(&folder);
	return in_place;
}

/* If the path is free there is nothing to swap with. */
bool socket_file_exchange(struct socket_file *file, struct error *error)
{
	const char *beside = file->beside, *name = folder_name(file->path);
	struct folder folder;
	bool exchanged;

	if (!socket_file_open_folder(file, &folder, error))
		return false;
	exchanged = renameat2(folder.fd, beside, folder.fd, name, RENAME_EXCHANGE) == 0 ||
		(errno == ENOENT &&
			renameat2(folder.fd, beside, folder.fd, name, RENAME_NOREPLACE) == 0);
	if (exchanged)
		file->placed = !file->placed;
	else
		error_set(error, ERROR_SYSTEM, "%s: cannot replace the socket: %s", file->path,
			strerror(errno));
	folder_close(&folder);
	return exchanged;
}

void socket_file_remove_other(struct socket_file *file)
{
	struct folder folder;
	struct stat status;
	struct error error;

	if (!file->beside)
		return;
	if (socket_file_open_folder(file, &folder, &error)) {
		if (fstatat(folder.fd, file->beside, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISSOCK(status.st_mode))
			unlinkat(folder.fd, file->beside, 0);
		folder_close(&folder);
	}
	socket_file_release(file);
}

void socket_file_remove(const struct socket_file *file)
{
	struct folder folder;
	struct error error;

	if (!file->inode || !socket_file_open_folder(file, &folder, &error))
		return;
	if (socket_file_is_at(file, &folder))
		unlinkat(folder.fd, socket_file_name(file), 0);
	folder_close(&folder);
}
