#ifndef BASE_RESUME_H
#define BASE_RESUME_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Notices at once that the host was suspended. On a resume the kernel cancels timers on
 * CLOCK_REALTIME that ask for it (TFD_TIMER_CANCEL_ON_SET), as when the clock is set; then the time
 * spent in suspend has grown. So nothing has to wake up in between.
 */
struct resume_watch {
	struct event cancelled; /* private, like the rest */
	int fd;
	uint64_t suspended; /* ns, in all, that are known */
	void (*resumed)(void *context);
	void *context;
};

/* False if there is no descriptor left (see errno): then nothing is noticed. */
bool resume_watch_init(struct resume_watch *watch, struct event_base *base,
	void (*resumed)(void *context), void *context);
void resume_watch_release(struct resume_watch *watch);

/* `suspended`: from clock_suspended(). Reports a resume if it has grown. */
void resume_watch_look(struct resume_watch *watch, uint64_t suspended);

#endif
