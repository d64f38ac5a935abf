#include "base/resume.h"

#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

/* The two clocks are not read at the same moment. */
#define RESUME_LEAST CLOCK_NS_PER_SECOND

/* A date in the far future. */
#define RESUME_NEVER ((time_t)1 << 33)

static void resume_watch_arm(const struct resume_watch *watch)
{
	static const struct itimerspec spec = {.it_value.tv_sec = RESUME_NEVER};

	timerfd_settime(watch->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL);
}

void resume_watch_look(struct resume_watch *watch, uint64_t suspended)
{
	bool resumed = suspended >= watch->suspended + RESUME_LEAST;

	if (!resumed)
		return;
	watch->suspended = suspended;
	watch->resumed(watch->context);
}

static void resume_watch_on_cancelled(evutil_socket_t fd, short what, void *context)
{
	struct resume_watch *watch = context;
	uint64_t expirations;
	ssize_t result = read(fd, &expirations, sizeof(expirations)); /* ECANCELED, which ends it */

	(void)what, (void)result;
	resume_watch_arm(watch);
	resume_watch_look(watch, clock_suspended());
}

bool resume_watch_init(struct resume_watch *watch, struct event_base *base,
	void (*resumed)(void *context), void *context)
{
	*watch = (struct resume_watch){
		.fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC),
		.suspended = clock_suspended(),
		.resumed = resumed,
		.context = context,
	};
	event_assign(&watch->cancelled, base, watch->fd, EV_READ | EV_PERSIST,
		resume_watch_on_cancelled, watch);
	if (watch->fd < 0)
		return false;
	resume_watch_arm(watch);
	event_add(&watch->cancelled, NULL);
	return true;
}

void resume_watch_release(struct resume_watch *watch)
{
	event_del(&watch->cancelled);
	if (watch->fd >= 0)
		close(watch->fd);
}
