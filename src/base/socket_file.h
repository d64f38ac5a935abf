#ifndef BASE_SOCKET_FILE_H
#define BASE_SOCKET_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Permissions and ownership of a socket's file. */
struct socket_access {
	mode_t mode;
	const char *owner; /* names the user in errors; NULL: keep the file's own */
	const char *group; /* names the group in errors; NULL: keep the file's own */
	uid_t uid;         /* of `owner`, if set */
	gid_t gid;         /* of `group`, if set */
};

/*
 * The file of a UNIX socket: created, replaced, and removed in a directory in which others may be
 * able to write. The directory and the file are remembered by device and inode, so only those that
 * were created here are ever changed or removed, whatever stands at the path by now. Descriptors for
 * them would cost two for each of thousands of outlets.
 */
struct socket_file {
	const char *path; /* borrowed */
	char *beside;     /* other name of an exchange, in the same directory; NULL: none. Owned */
	dev_t folder_device;
	ino_t folder_inode; /* 0: not known yet */
	dev_t device;
	ino_t inode; /* 0: not created yet */
	uid_t created_uid;
	gid_t created_gid;
	uid_t uid;
	gid_t gid;
	uint16_t mode;
	bool placed; /* stands at `path`, not beside it */
};

/* For a file at `path`, or `beside` it under a free name of its own, until socket_file_exchange(). */
void socket_file_init(struct socket_file *file, const char *path, bool beside);

/* Releases memory. The file stays. */
void socket_file_release(struct socket_file *file);

/*
 * Binds `socket` to the file and calls `listen` with `backlog`. A stale socket at the path, left by a
 * dead process of this user, or given to the owner in `access`, is replaced. One of another user, one in
 * use, or any other kind of file is an error. So is a lock on the
 * directory that another process holds (ERROR_LOCKED), which is never waited for.
 */
bool socket_file_listen(struct socket_file *file, int socket, int backlog,
	const struct socket_access *access, struct error *error);

/* Changes mode and ownership. On failure restores as much as possible. */
bool socket_file_set_access(struct socket_file *file, const struct socket_access *access,
	struct error *error);

/* True if the path leads to this file: neither it nor its directory has been removed or replaced. */
bool socket_file_in_place(const struct socket_file *file);

/* Swaps the file beside the path with that at the path, atomically; another call swaps them back. */
bool socket_file_exchange(struct socket_file *file, struct error *error);

/* After an exchange: removes the file that now stands beside the path. */
void socket_file_remove_other(struct socket_file *file);

/* Removes the file if it is still the one created here. */
void socket_file_remove(const struct socket_file *file);

#endif
