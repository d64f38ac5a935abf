#ifndef NET_STAMP_H
#define NET_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* The state of a file when it was last read, to read it again only after a change. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/* Takes a new stamp; true when it differs. A missing file is a state of its own: all zero. */
bool stamp_update(struct stamp *stamp, const char *path);

#endif
