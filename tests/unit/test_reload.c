#include "test_gateway.h"

#include <grp.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/gateway.h"
#include "gateway/reload.h"

enum { PATIENCE_SECONDS = 30 };

/*
 * Stands for the C library's: a group whose name begins with "slow" is known once `release` is
 * posted, as if a directory service did not answer.
 */
static sem_t release, asked;

int getgrnam_r(const char *name, struct group *entry, char *space, size_t size,
	struct group **found);
int getgrnam_r(const char *name, struct group *entry, char *space, size_t size,
	struct group **found)
{
	(void)space, (void)size;
	*found = NULL;
	if (strncmp(name, "slow", 4) != 0)
		return 0;
	sem_post(&asked);
	sem_wait(&release);
	*entry = (struct group){.gr_gid = getegid()};
	*found = entry;
	return 0;
}

static struct {
	char folder[64];
	char file[96];
	struct event_base *base;
	struct log *log;
	struct gateway *gateway;
	struct reload *reload;
	unsigned begun, applied, ended;
	bool last_done;
} fixture;

static void on_begun(void *context)
{
	(void)context;
	fixture.begun++;
}

static bool on_apply(struct settings *settings, struct gateway_changes *changes,
	struct settings_problems *problems, void *context)
{
	struct gateway_plan *plan = gateway_prepare(fixture.gateway, settings, problems);

	(void)context;
	if (!plan)
		return false;
	gateway_commit(plan, changes);
	fixture.applied++;
	return true;
}

static void on_ended(const struct reload_outcome *outcome, void *context)
{
	(void)context;
	fixture.ended++;
	fixture.last_done = outcome->done;
}

static void configure(const char *group)
{
	FILE *file = fopen(fixture.file, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "gateway = { runtime_dir = \"%s\"; };\n", fixture.folder);
	fprintf(file, "connections = ( { name = \"c\"; url = \"ws://127.0.0.1:1/\"; "
		      "when = \"manual\"; } );\n"
		      "outlets = ( { name = \"o\"; from = [ \"c\" ];%s%s%s } );\n",
		group ? " group = \"" : "", group ? group : "", group ? "\";" : "");
	fclose(file);
}

static void setup(void)
{
	const struct reload_callbacks callbacks = {
		.begun = on_begun,
		.apply = on_apply,
		.ended = on_ended,
	};
	struct settings_problems problems = {0};
	struct settings *settings;

	memset(&fixture, 0, sizeof(fixture));
	strcpy(fixture.folder, "/tmp/wsgated-reload-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fixture.folder));
	snprintf(fixture.file, sizeof(fixture.file), "%s/wsgated.conf", fixture.folder);
	sem_init(&release, 0, 0);
	sem_init(&asked, 0, 0);
	configure(NULL);
	fixture.base = event_base_new();
	fixture.log = log_new(LOG_FORMAT_TEXT, LOG_CRIT);
	settings = settings_prepare(fixture.file, NULL, &problems);
	ck_assert_msg(settings != NULL, "%s", problems.count ? problems.texts[0] : "");
	fixture.gateway = gateway_new(fixture.base, fixture.log, settings, &problems);
	ck_assert_ptr_nonnull(fixture.gateway);
	fixture.reload = reload_new(fixture.base, fixture.file, fixture.gateway, &callbacks);
	settings_problems_release(&problems);
}

static void teardown(void)
{
	reload_free(fixture.reload);
	gateway_free(fixture.gateway);
	event_base_free(fixture.base);
	log_free(fixture.log);
	unlink(fixture.file);
	ck_assert_int_eq(rmdir(fixture.folder), 0);
}

static void turn(void)
{
	const struct timeval moment = {.tv_usec = 1000};

	event_base_loopexit(fixture.base, &moment);
	event_base_dispatch(fixture.base);
}

static void wait_ended(unsigned count)
{
	uint64_t deadline = clock_monotonic() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;

	while (fixture.ended < count) {
		turn();
		ck_assert_msg(clock_monotonic() < deadline, "the reload does not end");
	}
}

/* A reload that hangs in its look-up. */
static void begin_slow_reload(struct reload_waiter *waiter)
{
	configure("slow");
	reload_request(fixture.reload, waiter);
	while (sem_trywait(&asked) != 0)
		turn();
}

static void on_waited(struct reload_waiter *waiter, const struct reload_outcome *outcome)
{
	int *answer = waiter->context;

	ck_assert_int_eq(*answer, 0);
	*answer = outcome->done ? 1 : -1;
}

START_TEST(a_look_up_that_hangs_holds_up_nothing)
{
	int answer = 0;
	struct reload_waiter waiter = {.done = on_waited, .context = &answer};
	uint64_t began;

	begin_slow_reload(&waiter);
	began = clock_monotonic();
	for (int i = 0; i < 20; i++)
		turn();
	ck_assert_uint_lt(clock_monotonic() - began, PATIENCE_SECONDS / 3 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(fixture.ended, 0);
	ck_assert_int_eq(answer, 0);
	ck_assert_ptr_nonnull(gateway_outlet(fixture.gateway, "o"));
	sem_post(&release);
	wait_ended(1);
	ck_assert_int_eq(answer, 1);
	ck_assert_uint_eq(fixture.begun, 1);
	ck_assert_str_eq(outlet_settings(gateway_outlet(fixture.gateway, "o"))->group, "slow");
	ck_assert_uint_eq(outlet_settings(gateway_outlet(fixture.gateway, "o"))->gid, getegid());
}
END_TEST

/* What the one under way has read may be what stood there before. */
START_TEST(requests_during_one_are_one_more)
{
	int answers[3] = {0};
	struct reload_waiter waiters[3];

	for (int i = 0; i < 3; i++)
		waiters[i] = (struct reload_waiter){.done = on_waited, .context = &answers[i]};
	begin_slow_reload(&waiters[0]);
	configure("nobody-knows-it");
	reload_request(fixture.reload, &waiters[1]);
	reload_request(fixture.reload, NULL);
	reload_request(fixture.reload, &waiters[2]);
	turn();
	sem_post(&release);
	wait_ended(2);
	turn();
	ck_assert_uint_eq(fixture.begun, 2);
	ck_assert_uint_eq(fixture.applied, 1);
	ck_assert_int_eq(answers[0], 1);
	ck_assert_int_eq(answers[1], -1);
	ck_assert_int_eq(answers[2], -1);
	ck_assert_str_eq(outlet_settings(gateway_outlet(fixture.gateway, "o"))->group, "slow");
}
END_TEST

START_TEST(who_has_left_is_not_told)
{
	int answers[2] = {0};
	struct reload_waiter present = {.done = on_waited, .context = &answers[0]};
	struct reload_waiter next = {.done = on_waited, .context = &answers[1]};

	begin_slow_reload(&present);
	reload_request(fixture.reload, &next);
	reload_forget(fixture.reload, &present);
	reload_forget(fixture.reload, &next);
	sem_post(&release);
	sem_post(&release);
	wait_ended(2);
	ck_assert_int_eq(answers[0], 0);
	ck_assert_int_eq(answers[1], 0);
}
END_TEST

START_TEST(the_end_waits_for_none)
{
	int answers[2] = {0};
	struct reload_waiter present = {.done = on_waited, .context = &answers[0]};
	struct reload_waiter next = {.done = on_waited, .context = &answers[1]};

	begin_slow_reload(&present);
	reload_request(fixture.reload, &next);
	reload_stop(fixture.reload);
	ck_assert_int_eq(answers[0], -1);
	ck_assert_int_eq(answers[1], -1);
	answers[0] = 0;
	reload_request(fixture.reload, &present);
	ck_assert_int_eq(answers[0], -1);
	turn();
	ck_assert_uint_eq(fixture.begun, 1);
	ck_assert_uint_eq(fixture.ended, 0);
	sem_post(&release); /* the thread frees what it has */
}
END_TEST

START_TEST(after_a_failure_comes_a_success)
{
	int answer = 0;
	struct reload_waiter waiter = {.done = on_waited, .context = &answer};

	configure("nobody-knows-it");
	reload_request(fixture.reload, &waiter);
	wait_ended(1);
	ck_assert_int_eq(answer, -1);
	configure(NULL);
	answer = 0;
	reload_request(fixture.reload, &waiter);
	wait_ended(2);
	ck_assert_int_eq(answer, 1);
}
END_TEST

Suite *reload_suite(void)
{
	Suite *suite = suite_create("reload");
	TCase *tests = tcase_create("reload");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_look_up_that_hangs_holds_up_nothing);
	tcase_add_test(tests, requests_during_one_are_one_more);
	tcase_add_test(tests, who_has_left_is_not_told);
	tcase_add_test(tests, the_end_waits_for_none);
	tcase_add_test(tests, after_a_failure_comes_a_success);
	suite_add_tcase(suite, tests);
	return suite;
}
