#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

enum { NOTIFY_WAITING_MAX = 16 }; /* datagrams; then the oldest is dropped */

struct notify {
	int fd; /* -1: nobody listens */
	struct event *writable;
	char *waiting[NOTIFY_WAITING_MAX]; /* oldest first */
	size_t count;
};

/* The name of the socket is a path, or begins with @ and is abstract: unix(7). */
static bool notify_address(const char *name, struct sockaddr_un *address, socklen_t *length)
{
	size_t size = name ? strlen(name) : 0;

	if (size < 2 || size >= sizeof(address->sun_path) || (name[0] != '/' && name[0] != '@'))
		return false;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, name, size);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return true;
}

static int notify_connect(void)
{
	struct sockaddr_un address;
	socklen_t length;
	int fd;

	if (!notify_address(getenv("NOTIFY_SOCKET"), &address, &length))
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, length) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void notify_drop_oldest(struct notify *notify)
{
	free(notify->waiting[0]);
	notify->count--;
	memmove(notify->waiting, notify->waiting + 1, notify->count * sizeof(*notify->waiting));
}

/* As much as the manager takes. One that is gone, or refuses, is not told. */
static void notify_flush(struct notify *notify)
{
	while (notify->count) {
		const char *text = notify->waiting[0];

		if (send(notify->fd, text, strlen(text), MSG_NOSIGNAL) < 0 && errno == EAGAIN) {
			event_add(notify->writable, NULL);
			return;
		}
		notify_drop_oldest(notify);
	}
}

static void notify_on_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	notify_flush(context);
}

struct notify *notify_new(struct event_base *base)
{
	struct notify *notify = alloc_zero(1, sizeof(*notify));

	notify->fd = notify_connect();
	if (notify->fd >= 0)
		notify->writable =
			event_new(base, notify->fd, EV_WRITE, notify_on_writable, notify);
	return notify;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	notify_flush(notify);
	while (notify->count)
		notify_drop_oldest(notify);
	if (notify->writable)
		event_free(notify->writable);
	if (notify->fd >= 0)
		close(notify->fd);
	free(notify);
}

void notify_send(struct notify *notify, const char *format, ...)
{
	va_list arguments;
	char *text;

	if (notify->fd < 0)
		return;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	if (notify->count == NOTIFY_WAITING_MAX)
		notify_drop_oldest(notify);
	notify->waiting[notify->count++] = text;
	notify_flush(notify);
}
