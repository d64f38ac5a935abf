#ifndef NET_RACE_H
#define NET_RACE_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timers.h"
#include "net/address.h"
#include "net/failures.h"
#include "net/tcp.h"

/*
 * Connection attempts to the addresses of one host against each other (RFC 8305, sections 4 and 5):
 * families in turn, IPv6 first, the next attempt after 250 ms or when one has failed.
 */
struct race;

/* Called once: the race is won or lost, or never ends while addresses may still come. Not called
 * from within race_add() or race_complete(). */
typedef void (*race_ended)(struct race *race, void *context);

/* Borrows the settings, and the failures of earlier races; both may be NULL. Addresses that have
 * failed come last, the latest failure at the very end, whatever their family. */
struct race *race_new(struct event_base *base, struct timers *timers,
	const struct tcp_settings *tcp, const struct failures *history, race_ended ended,
	void *context);

/* Closes all attempts. At any time, from within `ended` too. NULL is ignored. */
void race_free(struct race *race);

/* More addresses to try; of a family at most RACE_PER_FAMILY are: what is not tried because of that
 * comes first the next time, if race_note_failures() is called. */
enum { RACE_PER_FAMILY = 8 };
void race_add(struct race *race, const struct address *addresses, size_t count);

/* No more addresses will come: the race is lost when all attempts have failed. */
void race_complete(struct race *race);

/* The winner's socket, connected and non-blocking, now the caller's; -1 when the race is lost. */
int race_take_socket(struct race *race, struct address *address);

/* Notes all that were tried, when the race is lost or given up. */
void race_note_failures(const struct race *race, struct failures *failures);

unsigned race_attempts(const struct race *race);

/* Of the attempt that won; else since the first one. */
uint64_t race_us(const struct race *race);

/* The failures so far: "192.0.2.1:443: Connection refused; …", or empty. */
const char *race_failures(const struct race *race);

/* The addresses that have not answered yet: "192.0.2.1:443, 192.0.2.2:443", or empty. */
void race_format_pending(const struct race *race, char *text, size_t size);

#endif
