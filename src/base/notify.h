#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <event2/event.h>

/*
 * Tells the service manager what sd_notify(3) would, but never waits for it: sd_notify() blocks when the
 * manager does not read its socket ($NOTIFY_SOCKET).
 */
struct notify;

/* Without $NOTIFY_SOCKET, or one that cannot be used, nobody is told. */
struct notify *notify_new(struct event_base *base);

/* Tries once more to send what is queued. NULL is ignored. */
void notify_free(struct notify *notify);

/*
 * Assignments as in sd_notify(3), in order: what the manager does not take at once it is told as soon as
 * it reads. If it does not for long, the oldest are dropped.
 */
void notify_send(struct notify *notify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
