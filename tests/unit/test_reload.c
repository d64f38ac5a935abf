#include "test_gateway.h"

#include <fcntl.h>
#include <grp.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
	struct timers *timers;
	struct log *log;
	struct gateway *gateway;
	struct reload *reload;
	unsigned begun, prepared, withdrawn, ended;
	bool last_done;
} fixture;

static void on_begun(void *context)
{
	(void)context;
	fixture.begun++;
}

static bool on_prepare(const struct settings *settings, struct settings_problems *problems,
	void *context)
{
	(void)settings, (void)problems, (void)context;
	fixture.prepared++;
	return true;
}

static void on_withdraw(void *context)
{
	(void)context;
	fixture.withdrawn++;
}

static void on_ended(const struct reload_outcome *outcome, void *context)
{
	(void)context;
	fixture.ended++;
	fixture.last_done = outcome->done;
}

/* One outlet, and so many others. */
static void configure_more(const char *group, unsigned count)
{
	FILE *file = fopen(fixture.file, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "gateway = { runtime_dir = \"%s\"; };\n", fixture.folder);
	fprintf(file,
		"connections = ( { name = \"c\"; url = \"ws://127.0.0.1:1/\"; "
		"when = \"manual\"; } );\n"
		"outlets = ( { name = \"o\"; from = [ \"c\" ];%s%s%s }",
		group ? " group = \"" : "", group ? group : "", group ? "\";" : "");
	for (unsigned i = 0; i < count; i++)
		fprintf(file, ", { name = \"o%u\"; from = [ \"c\" ]; }", i);
	fprintf(file, " );\n");
	fclose(file);
}

static void configure(const char *group)
{
	configure_more(group, 0);
}

static void setup(void)
{
	static const struct reload_callbacks callbacks = {
		.begun = on_begun,
		.prepare = on_prepare,
		.withdraw = on_withdraw,
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
	fixture.timers = timers_new(fixture.base, NULL, NULL);
	fixture.log = log_new(LOG_FORMAT_TEXT, LOG_CRIT);
	settings = settings_prepare(fixture.file, NULL, &problems);
	ck_assert_msg(settings != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "");
	fixture.gateway =
		gateway_new(fixture.base, fixture.timers, fixture.log, settings, &problems);
	ck_assert_ptr_nonnull(fixture.gateway);
	fixture.reload = reload_new(fixture.base, fixture.file, fixture.gateway, &callbacks, NULL);
	settings_problems_release(&problems);
}

static void teardown(void)
{
	reload_free(fixture.reload);
	gateway_free(fixture.gateway);
	timers_free(fixture.timers);
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
	ck_assert_uint_eq(fixture.prepared, 1);
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

/* Stands for another daemon that starts in the same folder. */
static int lock_folder(void)
{
	char path[96];
	int lock;

	snprintf(path, sizeof(path), "%s/.wsgated.lock", fixture.folder);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(lock, 0);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	return lock;
}

static void unlock_folder(int lock)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/.wsgated.lock", fixture.folder);
	unlink(path);
	close(lock);
}

static bool has_socket(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s.sock", fixture.folder, name);
	return access(path, F_OK) == 0;
}

static int begin_locked_reload(struct reload_waiter *waiter, unsigned outlets)
{
	uint64_t deadline = clock_monotonic() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;
	int lock = lock_folder();

	configure_more(NULL, outlets);
	reload_request(fixture.reload, waiter);
	while (!gateway_is_changing(fixture.gateway)) {
		turn();
		ck_assert_uint_lt(clock_monotonic(), deadline);
	}
	return lock;
}

static struct connection_config *read_connection(const char *name)
{
	struct settings_problems problems = {0};
	struct connection_config *connection;
	config_setting_t *group;
	config_t config;

	config_init(&config);
	group = config_root_setting(&config);
	config_setting_set_string(config_setting_add(group, "name", CONFIG_TYPE_STRING), name);
	config_setting_set_string(config_setting_add(group, "url", CONFIG_TYPE_STRING),
		"ws://127.0.0.1:1/");
	config_setting_set_string(config_setting_add(group, "when", CONFIG_TYPE_STRING), "manual");
	connection = settings_connection(group, gateway_settings(fixture.gateway), true, &problems);
	ck_assert_ptr_nonnull(connection);
	config_destroy(&config);
	return connection;
}

/* The loop goes on; everything is as before; and nothing can be added or removed. */
START_TEST(a_locked_folder_holds_up_only_the_reload)
{
	int answer = 0;
	struct reload_waiter waiter = {.done = on_waited, .context = &answer};
	int lock = begin_locked_reload(&waiter, 3);
	struct connection_config *other = read_connection("other");
	struct error error;

	for (int i = 0; i < 10; i++)
		turn();
	ck_assert_int_eq(answer, 0);
	ck_assert(gateway_is_changing(fixture.gateway));
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 1);
	ck_assert(!gateway_add(fixture.gateway, other, &error));
	ck_assert_str_eq(error.text, "a reload is under way");
	ck_assert(!gateway_remove(fixture.gateway, "c", &error));
	unlock_folder(lock);
	wait_ended(1);
	ck_assert_int_eq(answer, 1);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 4);
	ck_assert(gateway_add(fixture.gateway, other, &error));
	ck_assert(gateway_remove(fixture.gateway, "other", &error));
}
END_TEST

START_TEST(a_folder_that_stays_locked_is_an_error)
{
	int answer = 0;
	struct reload_waiter waiter = {.done = on_waited, .context = &answer};
	int lock = begin_locked_reload(&waiter, 100);

	wait_ended(1);
	ck_assert_int_eq(answer, -1);
	ck_assert_uint_eq(fixture.prepared, 1);
	ck_assert_uint_eq(fixture.withdrawn, 1);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 1);
	ck_assert(!has_socket("o0"));
	unlock_folder(lock);
}
END_TEST

static void on_stopped(void *context)
{
	*(bool *)context = true;
}

/* What can be undone yet is. */
START_TEST(the_end_undoes_one_that_waits)
{
	uint64_t deadline = clock_monotonic() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;
	int lock = begin_locked_reload(NULL, 3);
	bool stopped = false;

	reload_stop(fixture.reload);
	gateway_stop(fixture.gateway, on_stopped, &stopped);
	while (!stopped) {
		turn();
		ck_assert_uint_lt(clock_monotonic(), deadline);
	}
	ck_assert_uint_eq(fixture.ended, 0);
	ck_assert_uint_eq(fixture.prepared, 0);
	ck_assert(!has_socket("o"));
	unlock_folder(lock);
}
END_TEST

START_TEST(all_is_freed_in_the_middle_of_one)
{
	int lock = begin_locked_reload(NULL, 3);

	unlock_folder(lock);
}
END_TEST

/* Whoever comes to a socket before all others have been made waits for the outcome. */
START_TEST(nobody_is_accepted_before_the_end)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int lock = lock_folder();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char folder[96];
	FILE *file;

	snprintf(folder, sizeof(folder), "%s/free", fixture.folder);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	configure_more(NULL, 0);
	file = fopen(fixture.file, "r+");
	ck_assert_ptr_nonnull(file);
	fseek(file, -4, SEEK_END); /* before " );" */
	fprintf(file, ", { name = \"free\"; path = \"%s/free.sock\"; from = [ \"c\" ]; }", folder);
	fprintf(file, ", { name = \"late\"; from = [ \"c\" ]; } );\n");
	fclose(file);
	reload_request(fixture.reload, NULL);
	while (!has_socket("free/free"))
		turn();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/free.sock", folder);
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		turn();
	for (int i = 0; i < 10; i++)
		turn();
	ck_assert(gateway_is_changing(fixture.gateway));
	ck_assert_ptr_null(gateway_outlet(fixture.gateway, "free"));
	unlock_folder(lock);
	wait_ended(1);
	ck_assert(fixture.last_done);
	for (int i = 0; i < 1000 && !outlet_subscribers(gateway_outlet(fixture.gateway, "free"));
		i++)
		turn();
	ck_assert_uint_eq(outlet_subscribers(gateway_outlet(fixture.gateway, "free")), 1);
	close(fd);
	configure(NULL);
	reload_request(fixture.reload, NULL);
	wait_ended(2);
	rmdir(folder);
}
END_TEST

Suite *reload_suite(void)
{
	Suite *suite = suite_create("reload");
	TCase *tests = tcase_create("reload");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 2 * PATIENCE_SECONDS);
	tcase_add_test(tests, a_look_up_that_hangs_holds_up_nothing);
	tcase_add_test(tests, requests_during_one_are_one_more);
	tcase_add_test(tests, who_has_left_is_not_told);
	tcase_add_test(tests, the_end_waits_for_none);
	tcase_add_test(tests, after_a_failure_comes_a_success);
	tcase_add_test(tests, a_locked_folder_holds_up_only_the_reload);
	tcase_add_test(tests, a_folder_that_stays_locked_is_an_error);
	tcase_add_test(tests, the_end_undoes_one_that_waits);
	tcase_add_test(tests, all_is_freed_in_the_middle_of_one);
	tcase_add_test(tests, nobody_is_accepted_before_the_end);
	suite_add_tcase(suite, tests);
	return suite;
}
