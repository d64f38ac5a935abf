#include <check.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/thread_pool.h"

static struct event_base *base;
static struct thread_pool *pool;
static sem_t gate;
static atomic_uint worked, discarded;
static unsigned done;
static nlink_t threads_before;

static void on_work(void *context)
{
	worked++;
	if (context)
		while (sem_wait(context) < 0)
			;
}

static void on_done(void *context)
{
	(void)context;
	done++;
}

static void on_discard(void *context)
{
	(void)context;
	discarded++;
}

/* Each thread is a directory there. */
static nlink_t count_threads(void)
{
	struct stat tasks;

	ck_assert_int_eq(stat("/proc/self/task", &tasks), 0);
	return tasks.st_nlink;
}

static void start(void)
{
	worked = discarded = 0;
	done = 0;
	sem_init(&gate, 0, 0);
	threads_before = count_threads();
	base = event_base_new();
	pool = thread_pool_new(base);
}

static void run(sem_t *blocks)
{
	const struct worker_task task = {
		.work = on_work, .done = on_done, .discard = on_discard, .context = blocks};
	struct error error;

	ck_assert_msg(thread_pool_run(pool, &task, &error), "%s", error.text);
}

static void wait_until_done(unsigned count)
{
	while (done < count)
		event_base_loop(base, EVLOOP_ONCE);
}

static void wait_until_threads_are_gone(void)
{
	while (count_threads() > threads_before)
		sched_yield();
}

START_TEST(tasks_run_side_by_side)
{
	enum { TASKS = 64 };

	start();
	for (int i = 0; i < TASKS; i++)
		run(&gate);
	while (worked < TASKS)
		sched_yield();
	run(NULL);
	wait_until_done(1);
	for (int i = 0; i < TASKS; i++)
		sem_post(&gate);
	wait_until_done(TASKS + 1);
	thread_pool_free(pool);
	ck_assert_uint_eq(discarded, 0);
	event_base_free(base);
}
END_TEST

START_TEST(a_thread_is_used_again)
{
	start();
	for (unsigned i = 1; i <= 1000; i++) {
		run(NULL);
		wait_until_done(i);
	}
	thread_pool_free(pool);
	event_base_free(base);
}
END_TEST

/* At whatever moment, each task ends once: it is done before, or discarded afterwards. */
START_TEST(free_at_any_time)
{
	for (int round = 0; round < 500; round++) {
		start();
		for (int i = 0; i < 3; i++)
			run(i == 1 && round % 2 ? &gate : NULL);
		for (int i = 0; i < round % 7; i++)
			sched_yield();
		event_base_loop(base, EVLOOP_NONBLOCK);
		thread_pool_free(pool);
		sem_post(&gate);
		wait_until_threads_are_gone();
		ck_assert_uint_eq(done + discarded, 3);
		event_base_free(base);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("thread_pool");
	TCase *tests = tcase_create("thread_pool");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, tasks_run_side_by_side);
	tcase_add_test(tests, a_thread_is_used_again);
	tcase_add_test(tests, free_at_any_time);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
