#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/listener.h"

static const struct log_subject subject = {.kind = "outlet", .name = "test"};

struct fixture {
	char directory[64];
	char path[96];
	struct event_base *base;
	struct log *log;
	struct listeners *listeners;
	int accepted;
	struct error error;
};

static struct fixture fixture;

static void setup(void)
{
	fixture = (struct fixture){.directory = "/tmp/wsgated-listener-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(fixture.directory));
	snprintf(fixture.path, sizeof(fixture.path), "%s/test.sock", fixture.directory);
	fixture.base = event_base_new();
	fixture.log = log_new(LOG_FORMAT_TEXT, LOG_EMERG);
	fixture.listeners = listeners_new(fixture.base, fixture.log);
}

static void teardown(void)
{
	listeners_free(fixture.listeners);
	event_base_free(fixture.base);
	log_free(fixture.log);
	unlink(fixture.path);
	ck_assert_int_eq(rmdir(fixture.directory), 0);
}

static void on_accept(int fd, void *context)
{
	ck_assert_ptr_eq(context, &fixture);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fixture.accepted++;
	close(fd);
}

static struct listener *open_with(const char *path, const struct socket_access *access)
{
	return listener_new(fixture.listeners, &subject, path, SOCK_STREAM, access, on_accept,
		&fixture, &fixture.error);
}

static struct listener *open_listener(void)
{
	return open_with(fixture.path, &(struct socket_access){.mode = 0600});
}

static int open_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, fixture.path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The socket of a process that is no more. */
static void leave_stale_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, fixture.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

START_TEST(test_accepts_many)
{
	struct listener *listener = open_listener();
	int clients[40];

	ck_assert_ptr_nonnull(listener);
	for (int i = 0; i < 40; i++)
		clients[i] = open_client();
	while (fixture.accepted < 40)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	for (int i = 0; i < 40; i++)
		close(clients[i]);
	listener_free(listener);
	ck_assert_int_lt(access(fixture.path, F_OK), 0);
}
END_TEST

START_TEST(test_a_held_one_accepts_when_it_is_settled)
{
	const struct socket_access access = {.mode = 0600};
	struct listener *listener = listener_new_held(fixture.listeners, &subject, fixture.path,
		SOCK_STREAM, &access, on_accept, &fixture, &fixture.error);
	int client;

	ck_assert_msg(listener != NULL, "%s", fixture.error.text);
	client = open_client();
	for (int i = 0; i < 10; i++)
		event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(fixture.accepted, 0);
	listener_settle(listener);
	while (!fixture.accepted)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	close(client);
	listener_free(listener);
}
END_TEST

START_TEST(test_mode_and_owner)
{
	struct socket_access access = {
		.mode = 0660,
		.owner = "daemon",
		.group = "mail",
		.uid = 12345,
		.gid = 23456,
	};
	struct listener *listener;
	struct stat status;

	if (geteuid() != 0)
		return; /* only root gives files away */
	listener = open_with(fixture.path, &access);
	ck_assert_msg(listener != NULL, "%s", fixture.error.text);
	ck_assert_int_eq(stat(fixture.path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0660);
	ck_assert_uint_eq(status.st_gid, 23456);
	ck_assert_uint_eq(status.st_uid, 12345);
	access.mode = 0666;
	ck_assert(listener_set_access(listener, &access, &fixture.error));
	ck_assert_int_eq(stat(fixture.path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0666);
	access.owner = access.group = NULL; /* as it came */
	ck_assert(listener_set_access(listener, &access, &fixture.error));
	ck_assert_int_eq(stat(fixture.path, &status), 0);
	ck_assert_uint_eq(status.st_uid, 0);
	ck_assert_uint_ne(status.st_gid, 23456);
	listener_free(listener);
}
END_TEST

static void expect_failure(const char *path, const struct socket_access *access, const char *text)
{
	ck_assert_ptr_null(open_with(path, access));
	ck_assert_msg(strstr(fixture.error.text, text) != NULL, "%s", fixture.error.text);
	ck_assert_msg(strstr(fixture.error.text, path) != NULL, "%s", fixture.error.text);
}

START_TEST(test_errors_say_what_is_wrong)
{
	const struct socket_access plain = {.mode = 0600};
	char path[256];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[108] = '\0';
	expect_failure(path, &plain, "at most 107 bytes");

	path[90] = '\0';
	expect_failure(path, &plain, "at most 82 bytes");

	snprintf(path, sizeof(path), "%s/none/test.sock", fixture.directory);
	expect_failure(path, &plain, "the directory does not exist");
}
END_TEST

START_TEST(test_other_files_are_left_alone)
{
	int fd = open(fixture.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	expect_failure(fixture.path, &(struct socket_access){.mode = 0600}, "is not a socket");
	ck_assert_int_eq(access(fixture.path, F_OK), 0);
}
END_TEST

START_TEST(test_stale_socket_is_replaced)
{
	struct listener *listener;

	leave_stale_socket();
	listener = open_listener();
	ck_assert_ptr_nonnull(listener);
	close(open_client());
	listener_free(listener);
}
END_TEST

START_TEST(test_living_socket_is_left_alone)
{
	struct listener *listener = open_listener();

	expect_failure(fixture.path, &(struct socket_access){.mode = 0600},
		"another process is listening");
	close(open_client());
	listener_free(listener);
}
END_TEST

/* The outlet of another instance, in another format. */
START_TEST(test_living_socket_of_another_type_is_left_alone)
{
	const struct socket_access access = {.mode = 0600};
	struct listener *listener = listener_new(fixture.listeners, &subject, fixture.path,
		SOCK_SEQPACKET, &access, on_accept, &fixture, &fixture.error);

	ck_assert_ptr_nonnull(listener);
	expect_failure(fixture.path, &access, "another process is listening");
	listener_free(listener);
}
END_TEST

/* Only root can give it away. */
START_TEST(test_a_stale_socket_of_another_user_is_left_alone)
{
	struct socket_access access = {.mode = 0600};
	struct listener *listener;

	leave_stale_socket();
	if (chown(fixture.path, 4711, (gid_t)-1) < 0)
		return;
	expect_failure(fixture.path, &access, "a stale socket of another user (uid 4711)");
	ck_assert_ptr_nonnull(strstr(fixture.error.text, fixture.path));
	access.owner = "somebody"; /* the one that this daemon had given it to */
	access.uid = 4711;
	listener = open_with(fixture.path, &access);
	ck_assert_ptr_nonnull(listener);
	listener_free(listener);
}
END_TEST

/* The file is gone, or another one is there. Those who have connected are not lost. */
START_TEST(test_it_listens_again)
{
	const struct socket_access wanted = {.mode = 0640};
	struct listener *listener = open_listener(), *again;
	struct stat status;
	int before, after;

	ck_assert(listener_in_place(listener));
	before = open_client();
	ck_assert_int_eq(unlink(fixture.path), 0);
	if (_i)
		leave_stale_socket();
	ck_assert(!listener_in_place(listener));
	again = listener_new_again(listener, &wanted, &fixture.error);
	ck_assert_msg(again != NULL, "%s", fixture.error.text);
	after = open_client();
	listener_succeed(listener, again);
	ck_assert_int_eq(fixture.accepted, 1);
	ck_assert(listener_in_place(again));
	while (fixture.accepted < 2)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	ck_assert_int_eq(stat(fixture.path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0640);
	close(before);
	close(after);
	listener_free(again);
	ck_assert_int_lt(access(fixture.path, F_OK), 0);
}
END_TEST

START_TEST(test_it_does_not_listen_again_in_place_of_others)
{
	struct listener *listener = open_listener();

	ck_assert_int_eq(unlink(fixture.path), 0);
	close(open(fixture.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ck_assert(!listener_in_place(listener));
	ck_assert_ptr_null(listener_new_again(listener, &(struct socket_access){.mode = 0600},
		&fixture.error));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "which is not a socket"));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, fixture.path));
	listener_free(listener);
	ck_assert_int_eq(access(fixture.path, F_OK), 0);
}
END_TEST

START_TEST(test_only_its_own_socket_is_removed)
{
	struct listener *listener = open_listener();

	ck_assert_int_eq(unlink(fixture.path), 0);
	leave_stale_socket();
	listener_free(listener);
	ck_assert_int_eq(access(fixture.path, F_OK), 0);
}
END_TEST

/* Somebody who can write to the folder has put a link to a victim's file in the place of the
 * socket. */
START_TEST(test_a_link_at_the_path_is_not_followed)
{
	struct socket_access access = {.mode = 0600};
	struct listener *listener = open_with(fixture.path, &access);
	char victim[96], moved[96];
	struct stat status;
	int fd;

	snprintf(victim, sizeof(victim), "%s/victim", fixture.directory);
	snprintf(moved, sizeof(moved), "%s/moved", fixture.directory);
	fd = open(victim, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ck_assert_int_eq(rename(fixture.path, moved), 0);
	ck_assert_int_eq(symlink(victim, fixture.path), 0);
	access.mode = 0666;
	ck_assert(!listener_set_access(listener, &access, &fixture.error));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "the socket has been replaced"));
	ck_assert_int_eq(stat(victim, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(moved, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	listener_free(listener);
	ck_assert_int_eq(lstat(fixture.path, &status), 0); /* not ours to remove */
	unlink(victim);
	unlink(moved);
}
END_TEST

/* Another socket is not the one that was bound either. */
START_TEST(test_another_socket_is_left_alone)
{
	struct socket_access access = {.mode = 0600};
	struct listener *listener = open_with(fixture.path, &access);
	struct stat before, after;

	ck_assert_int_eq(unlink(fixture.path), 0);
	leave_stale_socket();
	ck_assert_int_eq(stat(fixture.path, &before), 0);
	access.mode = 0640;
	ck_assert(!listener_set_access(listener, &access, &fixture.error));
	ck_assert_int_eq(stat(fixture.path, &after), 0);
	ck_assert_uint_eq(before.st_mode, after.st_mode);
	listener_free(listener);
}
END_TEST

/* Somebody who can write to the folder above has put a link to another folder in the place of ours:
 * there the same name is a victim's socket. */
START_TEST(test_a_link_at_the_folder_is_not_followed)
{
	char folder[96], moved[96], victims[96], path[128], victim[128];
	struct socket_access access = {.mode = 0600};
	struct listener *listener;
	struct stat before, after;

	snprintf(folder, sizeof(folder), "%s/d", fixture.directory);
	snprintf(moved, sizeof(moved), "%s/moved", fixture.directory);
	snprintf(victims, sizeof(victims), "%s/victims", fixture.directory);
	snprintf(path, sizeof(path), "%s/d/test.sock", fixture.directory);
	snprintf(victim, sizeof(victim), "%s/victims/.0.test.sock", fixture.directory);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(mkdir(victims, 0700), 0);
	listener = listener_new_beside(fixture.listeners, &subject, path, SOCK_STREAM, &access,
		on_accept, &fixture, &fixture.error);
	ck_assert_msg(listener != NULL, "%s", fixture.error.text);
	ck_assert_int_eq(rename(folder, moved), 0);
	ck_assert_int_eq(symlink(victims, folder), 0);
	strcpy(fixture.path, victim);
	leave_stale_socket();
	ck_assert_int_eq(lstat(victim, &before), 0);

	access.mode = 0666;
	ck_assert(!listener_set_access(listener, &access, &fixture.error));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "the directory has been replaced"));
	ck_assert(!listener_in_place(listener));
	ck_assert(!listener_exchange(listener, &fixture.error));
	listener_settle(listener);
	listener_free(listener);
	ck_assert_int_eq(lstat(victim, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_uint_eq(before.st_mode, after.st_mode);
	unlink(victim);
	unlink(folder);
	snprintf(victim, sizeof(victim), "%s/.0.test.sock", moved);
	unlink(victim);
	rmdir(moved);
	rmdir(victims);
}
END_TEST

/* The file beside it, at which nothing may be done to what somebody else has put there. */
START_TEST(test_a_lock_of_somebody_else_is_named)
{
	const struct socket_access plain = {.mode = 0600};
	char lock[96];
	int fd;

	snprintf(lock, sizeof(lock), "%s/.wsgated.lock", fixture.directory);
	ck_assert_int_eq(symlink("/nowhere", lock), 0);
	expect_failure(fixture.path, &plain, "/.wsgated.lock: it is a symbolic link");
	unlink(lock);
	ck_assert_int_eq(mkdir(lock, 0700), 0);
	expect_failure(fixture.path, &plain, "/.wsgated.lock: Is a directory");
	rmdir(lock);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	expect_failure(fixture.path, &plain, "another process holds the lock file ");
	ck_assert_str_eq(fixture.error.name, ERROR_LOCKED);
	ck_assert_int_eq(access(fixture.path, F_OK), -1);
	close(fd);
	listener_free(open_listener()); /* and takes the file along */
}
END_TEST

START_TEST(test_the_mode_is_there_from_the_beginning)
{
	mode_t mask = umask(0);
	struct listener *listener = open_with(fixture.path, &(struct socket_access){.mode = 0626});
	struct stat status;

	ck_assert_uint_eq(umask(mask), 0);
	ck_assert_int_eq(stat(fixture.path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0626);
	listener_free(listener);
}
END_TEST

static unsigned files_in_folder(void)
{
	DIR *folder = opendir(fixture.directory);
	unsigned count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count - 2;
}

static struct listener *open_beside(int type)
{
	return listener_new_beside(fixture.listeners, &subject, fixture.path, type,
		&(struct socket_access){.mode = 0600}, on_accept, &fixture, &fixture.error);
}

static ino_t inode_at_path(void)
{
	struct stat status;

	ck_assert_int_eq(lstat(fixture.path, &status), 0);
	return status.st_ino;
}

START_TEST(test_one_takes_the_place_of_another)
{
	struct listener *old = open_listener();
	ino_t before = inode_at_path();
	struct listener *new = open_beside(SOCK_STREAM);

	ck_assert_msg(new != NULL, "%s", fixture.error.text);
	ck_assert_uint_eq(inode_at_path(), before);
	ck_assert(listener_exchange(new, &fixture.error));
	ck_assert_uint_ne(inode_at_path(), before);
	listener_settle(new);
	listener_free(old);
	ck_assert_uint_eq(files_in_folder(), 1);
	close(open_client());
	while (fixture.accepted < 1)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	ck_assert(listener_set_access(new, &(struct socket_access){.mode = 0640}, &fixture.error));
	listener_free(new);
	ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(test_the_place_can_be_given_back)
{
	struct listener *old = open_listener();
	ino_t before = inode_at_path();
	struct listener *new = open_beside(SOCK_SEQPACKET);

	ck_assert(listener_exchange(new, &fixture.error));
	ck_assert(listener_exchange(new, &fixture.error));
	ck_assert_uint_eq(inode_at_path(), before);
	listener_free(new);
	ck_assert_uint_eq(files_in_folder(), 1);
	close(open_client());
	listener_free(old);
	ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

/* The name beside it has to fit as well. */
START_TEST(test_the_longest_path_can_be_replaced)
{
	struct listener *old, *new;
	size_t length = strlen(fixture.directory);
	char path[108];

	snprintf(path, sizeof(path), "%s/", fixture.directory);
	memset(path + length + 1, 'x', sizeof(path) - length - 2);
	path[sizeof(path) - 1] = '\0';
	strcpy(fixture.path, "");
	old = open_with(path, &(struct socket_access){.mode = 0600});
	ck_assert_msg(old != NULL, "%s", fixture.error.text);
	new = listener_new_beside(fixture.listeners, &subject, path, SOCK_STREAM,
		&(struct socket_access){.mode = 0600}, on_accept, &fixture, &fixture.error);
	ck_assert_msg(new != NULL, "%s", fixture.error.text);
	ck_assert(listener_exchange(new, &fixture.error));
	listener_settle(new);
	listener_free(old);
	listener_free(new);
	ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(test_the_highest_descriptors_are_not_for_subscribers)
{
	struct listeners *listeners = fixture.listeners;
	struct listener *listener = open_listener();
	struct rlimit limit, low;

	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &low);
	ck_assert(listener_may_keep(listener, 63)); /* no reserve yet */
	listeners_reserve(listeners, 10);
	ck_assert_uint_eq(listeners_ceiling(listeners), 54);
	ck_assert(listener_may_keep(listener, 53));
	ck_assert(!listener_may_keep(listener, 54));
	listeners_reserve(listeners, 1000); /* half of them at most */
	ck_assert_uint_eq(listeners_ceiling(listeners), 32);
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert(listener_may_keep(listener, 54) == (limit.rlim_cur > 108));
	listener_free(listener);
}
END_TEST

START_TEST(test_no_descriptors_left)
{
	struct listener *listener = open_listener();
	int client = open_client();
	int last = dup(client);
	struct rlimit limit, none;
	uint64_t began;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)last;
	close(last);
	setrlimit(RLIMIT_NOFILE, &none);
	last = dup(client); /* may take up a hole below */
	while (last >= 0)
		last = dup(client);

	/* It does not spin: after the first failure nothing happens until the pause is over. */
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	began = clock_monotonic();
	setrlimit(RLIMIT_NOFILE, &limit);
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(fixture.accepted, 0);
	event_base_loop(fixture.base, EVLOOP_ONCE);
	ck_assert_uint_gt(clock_monotonic() - began, CLOCK_NS_PER_SECOND / 2);
	while (fixture.accepted == 0)
		event_base_loop(fixture.base, EVLOOP_ONCE);
	listener_free(listener);
}
END_TEST

/* All below are in use. */
enum { DESCRIPTORS = 64 };

static void leave_descriptors(rlim_t count)
{
	struct rlimit limit;
	int fd;

	while ((fd = dup(0)) < DESCRIPTORS)
		;
	close(fd);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = DESCRIPTORS + count;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Whatever it is that there is no descriptor for; a stale socket that was there before may stay. */
START_TEST(test_a_failure_leaves_no_file)
{
	struct listener *listener = NULL;
	struct stat before = {0}, after;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (rlim_t left = 0; !listener; left++) {
		ck_assert_uint_lt(left, 10);
		if (_i) {
			leave_stale_socket();
			ck_assert_int_eq(stat(fixture.path, &before), 0);
		}
		leave_descriptors(left);
		listener = open_listener();
		setrlimit(RLIMIT_NOFILE, &limit);
		if (listener)
			break;
		ck_assert_pstr_eq(strrchr(fixture.error.text, ':'), ": Too many open files");
		if (stat(fixture.path, &after) == 0)
			ck_assert_uint_eq(after.st_ino, before.st_ino);
		unlink(fixture.path);
	}
	listener_free(listener);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tests = tcase_create("listener");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_accepts_many);
	tcase_add_test(tests, test_a_held_one_accepts_when_it_is_settled);
	tcase_add_test(tests, test_mode_and_owner);
	tcase_add_test(tests, test_errors_say_what_is_wrong);
	tcase_add_test(tests, test_other_files_are_left_alone);
	tcase_add_test(tests, test_stale_socket_is_replaced);
	tcase_add_test(tests, test_living_socket_is_left_alone);
	tcase_add_test(tests, test_living_socket_of_another_type_is_left_alone);
	tcase_add_test(tests, test_a_stale_socket_of_another_user_is_left_alone);
	tcase_add_loop_test(tests, test_it_listens_again, 0, 2);
	tcase_add_test(tests, test_it_does_not_listen_again_in_place_of_others);
	tcase_add_test(tests, test_only_its_own_socket_is_removed);
	tcase_add_test(tests, test_a_link_at_the_path_is_not_followed);
	tcase_add_test(tests, test_another_socket_is_left_alone);
	tcase_add_test(tests, test_a_link_at_the_folder_is_not_followed);
	tcase_add_test(tests, test_a_lock_of_somebody_else_is_named);
	tcase_add_test(tests, test_the_mode_is_there_from_the_beginning);
	tcase_add_test(tests, test_one_takes_the_place_of_another);
	tcase_add_test(tests, test_the_place_can_be_given_back);
	tcase_add_test(tests, test_the_longest_path_can_be_replaced);
	tcase_add_test(tests, test_the_highest_descriptors_are_not_for_subscribers);
	tcase_add_test(tests, test_no_descriptors_left);
	tcase_add_loop_test(tests, test_a_failure_leaves_no_file, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
