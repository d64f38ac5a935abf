#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

/*
 * The folder that a socket's file stands in, opened once, so that all that belongs together is done
 * in one and the same: where others can write to a folder above it, its path may lead elsewhere a
 * moment later. Names are those of files in it.
 */
struct folder {
	int fd;           /* of O_PATH */
	const char *path; /* that of the socket, borrowed, for the texts of errors */
	dev_t device;
	ino_t inode;
};

/* For the end of `path`, which is absolute, and its socket's name, at most FOLDER_NAME_MAX bytes. */
enum { FOLDER_NAME_MAX = 82 }; /* "/proc/self/fd/2147483647/" comes before it in sun_path */
/* True if the path fits the address of a socket; else the text of the error follows the name of what
 * has it ("the path …"). */
bool folder_check_path(const char *path, struct error *error);

bool folder_open(struct folder *folder, const char *path, struct error *error);
void folder_close(struct folder *folder);
const char *folder_name(const char *path);

bool folder_has(const struct folder *folder, const char *name);

/* Binds `socket` to a new file with that mode. Needs a mounted /proc. */
bool folder_bind(const struct folder *folder, const char *name, int socket, mode_t mode,
	struct error *error);

/* A descriptor of O_PATH for a file, whatever it is; never follows a link. -1: errno says why. */
int folder_look(const struct folder *folder, const char *name, struct stat *status);

/* Connects a socket to the file of such a descriptor; 0, or what errno says. */
int folder_connect(int file, int type);

/* Held from the look at what stands there until a socket listens: of two daemons that find the same
 * stale one, the second would else remove what the first has just bound. A file in the folder,
 * which is removed again. The descriptor, or -1: ERROR_LOCKED if another process has it, who does
 * not take long; this never waits. */
int folder_lock(const struct folder *folder, struct error *error);
void folder_unlock(const struct folder *folder, int lock);

#endif
