#include "net/stamp.h"

#include <sys/stat.h>

bool stamp_update(struct stamp *stamp, const char *path)
{
	struct stamp before = *stamp;
	struct stat status;

	*stamp = (struct stamp){0};
	if (stat(path, &status) == 0) {
		stamp->device = status.st_dev;
		stamp->inode = status.st_ino;
		stamp->size = status.st_size;
		stamp->changed = status.st_ctim;
	}
	return stamp->device != before.device || stamp->inode != before.inode ||
		stamp->size != before.size || stamp->changed.tv_sec != before.changed.tv_sec ||
		stamp->changed.tv_nsec != before.changed.tv_nsec;
}
