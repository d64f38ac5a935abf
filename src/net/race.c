#include "net/race.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/resolve.h"

/* RFC 8305, section 5: Connection Attempt Delay. */
#define RACE_DELAY (250 * CLOCK_NS_PER_MS)

struct candidate {
	struct address address;
	size_t rank; /* among the failures; 0: it has not failed */
};

/* The addresses of one family, by rank, and then in the order of the resolver. */
struct race_lane {
	struct candidate candidates[RESOLVE_PER_FAMILY];
	size_t count;
	size_t next;
};

struct attempt {
	struct attempt *next;
	struct race *race;
	struct address address;
	struct event event;
	int fd;
	uint64_t started;
};

enum { LANE_IPV6, LANE_IPV4, LANES };

struct race {
	struct event_base *base;
	struct timers *timers;
	const struct tcp_settings *tcp;
	const struct failures *history; /* of earlier races */
	race_ended ended;
	void *context;
	struct race_lane lanes[LANES];
	int turn; /* the lane to prefer next */
	bool complete;
	bool held;                /* the next one has failed before: others may still come; */
	bool has_held;            /* but that is waited for only once */
	struct event advance;     /* pending: the next attempt waits for its turn */
	struct attempt *attempts; /* in flight */
	unsigned attempt_count;
	uint64_t started; /* ns; of the first attempt, or of the winner */
	int winner;       /* -1: none yet */
	struct address winner_address;
	char failures[352];
};

static const struct candidate *race_lane_head(const struct race_lane *lane)
{
	return lane->next < lane->count && lane->next < RACE_PER_FAMILY
		? &lane->candidates[lane->next]
		: NULL;
}

/* The lane to try next, or NULL. */
static struct race_lane *race_next_lane(struct race *race)
{
	struct race_lane *lane = &race->lanes[race->turn];
	struct race_lane *other = &race->lanes[(race->turn + 1) % LANES];
	const struct candidate *head = race_lane_head(lane), *other_head = race_lane_head(other);

	if (!head)
		return other_head ? other : NULL;
	return other_head && other_head->rank < head->rank ? other : lane;
}

static void race_note_failure(struct race *race, const struct address *address, const char *cause)
{
	size_t used = strlen(race->failures);
	size_t room = sizeof(race->failures) - used;
	char text[ADDRESS_TEXT_SIZE];
	int length;

	address_format(address, text);
	length = snprintf(race->failures + used, room, "%s%s: %s", used ? "; " : "", text, cause);
	if ((size_t)length >= room)
		race->failures[used] = '\0'; /* only whole ones; the first ones tell most */
}

/* Ends the attempt and returns its socket, still open; -1: it never had one. */
static int attempt_end(struct attempt *attempt)
{
	struct attempt **link = &attempt->race->attempts;
	int fd = attempt->fd;

	while (*link != attempt)
		link = &(*link)->next;
	*link = attempt->next;
	event_del(&attempt->event);
	free(attempt);
	return fd;
}

static void attempt_failed(struct attempt *attempt, const char *cause)
{
	int fd;

	race_note_failure(attempt->race, &attempt->address, cause);
	fd = attempt_end(attempt);
	if (fd >= 0)
		close(fd);
}

static void attempt_won(struct attempt *attempt)
{
	struct race *race = attempt->race;

	race->started = attempt->started;
	race->winner_address = attempt->address;
	race->winner = attempt_end(attempt);
}

static void race_advance(struct race *race);

static void attempt_on_event(evutil_socket_t fd, short events, void *context)
{
	struct attempt *attempt = context;
	struct race *race = attempt->race;
	int cause = 0;
	socklen_t length = sizeof(cause);

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &length) < 0)
		cause = errno;
	if (cause)
		attempt_failed(attempt, strerror(cause));
	else
		attempt_won(attempt);
	race_advance(race);
}

static void attempt_start(struct race *race, const struct address *address)
{
	struct attempt *attempt = alloc_zero(1, sizeof(*attempt));
	struct error error;

	attempt->race = race;
	attempt->address = *address;
	attempt->started = timers_now(race->timers);
	attempt->next = race->attempts;
	race->attempts = attempt;
	if (race->attempt_count++ == 0)
		race->started = attempt->started;

	attempt->fd = tcp_socket(race->tcp, address, &error);
	event_assign(&attempt->event, race->base, attempt->fd, EV_WRITE, attempt_on_event, attempt);
	if (attempt->fd < 0)
		attempt_failed(attempt, error.text);
	else if (connect(attempt->fd, &address->generic, address_length(address)) == 0)
		attempt_won(attempt);
	else if (errno != EINPROGRESS)
		attempt_failed(attempt, strerror(errno));
	else
		event_add(&attempt->event, NULL);
}

static void race_pause(struct race *race)
{
	static const struct timeval delay = {.tv_usec = RACE_DELAY / CLOCK_NS_PER_US};

	event_add(&race->advance, &delay);
}

/* Takes the next one; NULL: there is none, or none yet. One that has failed before waits for others
 * that may come, but not for long. */
static const struct address *race_take_next(struct race *race)
{
	struct race_lane *lane = race_next_lane(race);
	const struct candidate *next;

	if (!lane)
		return NULL;
	next = race_lane_head(lane);
	race->held = next->rank && !race->complete && !race->has_held;
	if (race->held) {
		race->has_held = true;
		race_pause(race);
		return NULL;
	}
	lane->next++;
	race->turn = lane == &race->lanes[LANE_IPV6] ? LANE_IPV4 : LANE_IPV6;
	return &next->address;
}

/* Starts what is due; the last act may be to report the end. Only from the event loop. */
static void race_advance(struct race *race)
{
	const struct address *address;
	struct attempt *before;

	while (race->winner < 0) {
		before = race->attempts;
		address = race_take_next(race);
		if (!address)
			break;
		attempt_start(race, address);
		if (race->attempts != before) {
			race_pause(race);
			return;
		}
	}
	if (race->winner >= 0 || (!race->attempts && !race->held))
		event_del(&race->advance);
	if (race->winner >= 0 || (race->complete && !race->attempts))
		race->ended(race, race->context);
}

static void race_on_advance(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	race_advance(context);
}

struct race *race_new(struct event_base *base, struct timers *timers,
	const struct tcp_settings *tcp, const struct failures *history, race_ended ended,
	void *context)
{
	struct race *race = alloc_zero(1, sizeof(*race));

	race->base = base;
	race->timers = timers;
	race->tcp = tcp;
	race->history = history;
	race->ended = ended;
	race->context = context;
	race->winner = -1;
	event_assign(&race->advance, base, -1, 0, race_on_advance, race);
	return race;
}

void race_free(struct race *race)
{
	if (!race)
		return;
	event_del(&race->advance);
	while (race->attempts)
		close(attempt_end(race->attempts));
	if (race->winner >= 0)
		close(race->winner);
	free(race);
}

/* A held address may be waiting for the new ones. */
static void race_wake(struct race *race)
{
	if (race->held || !event_pending(&race->advance, EV_TIMEOUT, NULL))
		event_active(&race->advance, EV_TIMEOUT, 0);
}

/* Those that have been taken already stay in front. */
static void race_lane_add(struct race_lane *lane, const struct address *address, size_t rank)
{
	size_t at = lane->count;

	if (lane->count == RESOLVE_PER_FAMILY)
		return;
	lane->count++;
	for (; at > lane->next && lane->candidates[at - 1].rank > rank; at--)
		lane->candidates[at] = lane->candidates[at - 1];
	lane->candidates[at] = (struct candidate){*address, rank};
}

void race_add(struct race *race, const struct address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool ipv6 = addresses[i].generic.sa_family == AF_INET6;
		size_t rank = race->history
			? failures_rank(race->history, &addresses[i], timers_now(race->timers))
			: 0;

		race_lane_add(&race->lanes[ipv6 ? LANE_IPV6 : LANE_IPV4], &addresses[i], rank);
	}
	race_wake(race);
}

void race_complete(struct race *race)
{
	race->complete = true;
	race_wake(race);
}

int race_take_socket(struct race *race, struct address *address)
{
	int fd = race->winner;

	*address = race->winner_address;
	race->winner = -1;
	return fd;
}

void race_note_failures(const struct race *race, struct failures *failures)
{
	for (int i = 0; i < LANES; i++) {
		for (size_t j = 0; j < race->lanes[i].next; j++)
			failures_note(failures, &race->lanes[i].candidates[j].address,
				timers_now(race->timers));
	}
}

unsigned race_attempts(const struct race *race)
{
	return race->attempt_count;
}

uint64_t race_us(const struct race *race)
{
	return race->started ? (timers_now(race->timers) - race->started) / CLOCK_NS_PER_US : 0;
}

const char *race_failures(const struct race *race)
{
	return race->failures;
}

void race_format_pending(const struct race *race, char *text, size_t size)
{
	size_t used = 0;
	char name[ADDRESS_TEXT_SIZE];

	text[0] = '\0';
	for (const struct attempt *attempt = race->attempts; attempt; attempt = attempt->next) {
		address_format(&attempt->address, name);
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
		if (used >= size)
			return;
	}
}
