#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FILE_PIECE = 64 * 1024 };

const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "a device";
	}
}

int file_shortage(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* A FIFO with a name reads as empty while nobody writes: that is not to be taken for its
 * content. */
static bool file_is_pipe(int fd)
{
	struct statfs system;

	return fstatfs(fd, &system) == 0 && system.f_type == PIPEFS_MAGIC;
}

static bool file_check(int fd, enum file_kinds kinds, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(error, ERROR_SYSTEM, "cannot be examined: %s", strerror(errno));
	if (S_ISREG(status.st_mode))
		return true;
	if (kinds == FILE_OR_PIPE && file_is_pipe(fd))
		return fcntl(fd, F_SETFL, 0) == 0; /* to wait for who writes it */
	errno = EINVAL;
	return error_set(error, ERROR_SYSTEM, "is %s, not a regular file",
		file_kind(status.st_mode));
}

int file_open(const char *path, enum file_kinds kinds, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int failure;

	if (fd < 0 && errno == ENXIO) { /* a socket, or a device without its hardware */
		error_set(error, ERROR_SYSTEM, "is not a regular file");
		return -1;
	}
	if (fd < 0) {
		failure = errno;
		error_set(error, ERROR_SYSTEM, "cannot be read: %s", strerror(failure));
		errno = failure;
		return -1;
	}
	if (file_check(fd, kinds, error))
		return fd;
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

static bool file_read(int fd, size_t most, struct buffer *text, struct error *error)
{
	ssize_t got = 1;

	while (got != 0 && most > 0) {
		size_t piece = most < FILE_PIECE ? most : FILE_PIECE;

		got = read(fd, buffer_reserve(text, piece), piece);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set(error, ERROR_SYSTEM, "cannot be read: %s",
				strerror(errno));
		buffer_commit(text, (size_t)got);
		most -= (size_t)got;
	}
	return true;
}

static bool file_begins(const struct buffer *text, size_t before, const char *mark, size_t length)
{
	return text->length - before >= length &&
		memcmp(buffer_data(text) + before, mark, length) == 0;
}

/* What some editors put in front. */
static bool file_strip_mark(struct buffer *text, size_t before, struct error *error)
{
	static const char utf8[] = "\xef\xbb\xbf";
	const size_t length = sizeof(utf8) - 1;
	uint8_t *content;

	if (file_begins(text, before, "\xff\xfe", 2) || file_begins(text, before, "\xfe\xff", 2)) {
		errno = EINVAL;
		return error_set(error, ERROR_SYSTEM, "is in UTF-16, not in UTF-8");
	}
	if (!file_begins(text, before, utf8, length))
		return true;
	content = text->memory + text->start + before;
	memmove(content, content + length, text->length - before - length);
	text->length -= length;
	return true;
}

bool file_read_text(const char *path, enum file_kinds kinds, size_t most, struct buffer *text,
	struct error *error)
{
	size_t before = text->length;
	int fd = file_open(path, kinds, error);
	bool read;

	if (fd < 0)
		return false;
	read = file_read(fd, most, text, error) && file_strip_mark(text, before, error);
	close(fd);
	return read;
}
