#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/names.h"
#include "gateway/secrets.h"
#include "gateway/settings_private.h"
#include "net/tls_stores.h"

enum { SYSTEM_ID_SPACE = 64 * 1024, SYSTEM_GROUPS_MAX = 65536 };

/* The result of looking up a name, or of checking a directory. */
struct system_answer {
	char *name;
	unsigned id;
	char *fault; /* NULL: usable */
	bool unsure; /* the daemon, as another user, may succeed */
	bool said;   /* the fault has been reported */
	struct system_answer *next;
};

/* A check in progress. It asks the system about each name and directory once, for thousands of
 * sockets. */
struct system_check {
	struct settings_problems *problems;
	const char *runtime_dir; /* NULL: sockets are not checked */
	bool stranger; /* a test by another user than the daemon's, who may have fewer rights */
	struct names users;
	struct names groups;
	struct names folders;
	struct system_answer *answers;
	const config_setting_t *where; /* the connection whose files are checked */
	bool unread;                   /* one of its files could not be read */
	struct tls_stores *stores;     /* of all connections; NULL: TLS material is not checked */
};

/* --- reports -------------------------------------------------------------------------------- */

static bool system_is_denied(int failure)
{
	return failure == EACCES || failure == EPERM;
}

static void system_say(struct system_check *check, const config_setting_t *where, bool unsure,
	const char *text)
{
	if (unsure && check->stranger)
		settings_warning(check->problems, where, "unchecked, as user %u: %s",
			(unsigned)geteuid(), text);
	else
		settings_problem(check->problems, where, "%s", text);
}

static struct system_answer *system_note(struct system_check *check, struct names *names,
	const char *name)
{
	struct system_answer *answer = alloc_zero(1, sizeof(*answer));

	answer->name = alloc_string(name);
	answer->next = check->answers;
	check->answers = answer;
	names_add(names, answer->name, answer);
	return answer;
}

/* --- owners of sockets ---------------------------------------------------------------------- */

/* True if the daemon can give sockets to other users. */
static bool system_may_give_away(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << CAP_CHOWN));
}

static bool system_is_member(gid_t group)
{
	gid_t *groups = alloc_zero(SYSTEM_GROUPS_MAX, sizeof(*groups));
	int count = getgroups(SYSTEM_GROUPS_MAX, groups);
	bool member = group == getegid();

	for (int i = 0; i < count && !member; i++)
		member = groups[i] == group;
	free(groups);
	return member;
}

static void system_look_up_user(struct system_answer *answer)
{
	char *space = alloc_zero(1, SYSTEM_ID_SPACE);
	struct passwd entry, *found = NULL;
	int failure = getpwnam_r(answer->name, &entry, space, SYSTEM_ID_SPACE, &found);

	if (found)
		answer->id = found->pw_uid;
	if (!found && failure)
		answer->fault = alloc_format("cannot look up the user '%s': %s", answer->name,
			strerror(failure));
	else if (!found)
		answer->fault = alloc_format("no user named '%s'", answer->name);
	else if (answer->id != geteuid() && !system_may_give_away())
		answer->fault =
			alloc_format("a daemon running as user %u cannot give a socket to '%s'",
				(unsigned)geteuid(), answer->name);
	answer->unsure = found;
	free(space);
}

static void system_look_up_group(struct system_answer *answer)
{
	char *space = alloc_zero(1, SYSTEM_ID_SPACE);
	struct group entry, *found = NULL;
	int failure = getgrnam_r(answer->name, &entry, space, SYSTEM_ID_SPACE, &found);

	if (found)
		answer->id = found->gr_gid;
	if (!found && failure)
		answer->fault = alloc_format("cannot look up the group '%s': %s", answer->name,
			strerror(failure));
	else if (!found)
		answer->fault = alloc_format("no group named '%s'", answer->name);
	else if (!system_is_member(answer->id) && !system_may_give_away())
		answer->fault = alloc_format(
			"a daemon running as user %u, not in the group '%s', cannot give it a socket",
			(unsigned)geteuid(), answer->name);
	answer->unsure = found;
	free(space);
}

/* The id of the user or group; adds a problem if it cannot be used. 0 without a name. */
static unsigned system_id(struct system_check *check, struct names *names,
	void (*look_up)(struct system_answer *answer), const char *name,
	const config_setting_t *where, const char *setting)
{
	struct system_answer *answer;

	if (!name)
		return 0;
	answer = names_find(names, name);
	if (!answer) {
		answer = system_note(check, names, name);
		look_up(answer);
	}
	if (answer->fault)
		system_say(check, settings_problem_place(where, setting), answer->unsure,
			answer->fault);
	return answer->id;
}

/* --- sockets -------------------------------------------------------------------------------- */

/* The daemon creates the runtime directory at startup, but not its parents. */
static bool system_will_be_made(const struct system_check *check, const char *folder)
{
	char *copy = alloc_string(folder);
	bool made = strcmp(folder, check->runtime_dir) == 0 &&
		faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) == 0;

	free(copy);
	return made;
}

static void system_look_at_folder(const struct system_check *check, struct system_answer *answer)
{
	const char *folder = answer->name;
	struct stat status;

	if (stat(folder, &status) < 0) {
		if (errno == ENOENT && system_will_be_made(check, folder))
			return;
		answer->unsure = system_is_denied(errno) || strcmp(folder, check->runtime_dir) == 0;
		answer->fault = alloc_format("cannot use the directory %s for a socket: %s", folder,
			strerror(errno));
	} else if (!S_ISDIR(status.st_mode)) {
		answer->fault = alloc_format("%s is %s, not a directory", folder,
			file_kind(status.st_mode));
	} else if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0) {
		answer->unsure = system_is_denied(errno);
		answer->fault =
			alloc_format("cannot create a socket in %s: %s", folder, strerror(errno));
	}
}

static void system_check_path(struct system_check *check, const char *path,
	const config_setting_t *where)
{
	char *copy = alloc_string(path);
	const char *folder = dirname(copy);
	struct system_answer *answer = names_find(&check->folders, folder);
	struct stat status;
	char *text;

	if (!answer) {
		answer = system_note(check, &check->folders, folder);
		system_look_at_folder(check, answer);
	}
	if (answer->fault) {
		if (!answer->said)
			system_say(check, where, answer->unsure, answer->fault);
		answer->said = true;
	} else if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
		text = alloc_format("%s is %s of uid %lu, not a socket", path,
			file_kind(status.st_mode), (unsigned long)status.st_uid);
		system_say(check, where, false, text);
		free(text);
	}
	free(copy);
}

static void system_check_outlet(struct system_check *check, struct outlet_settings *outlet,
	const config_setting_t *where)
{
	outlet->uid =
		system_id(check, &check->users, system_look_up_user, outlet->owner, where, "owner");
	outlet->gid = system_id(check, &check->groups, system_look_up_group, outlet->group, where,
		"group");
	if (outlet->path)
		system_check_path(check, outlet->path, settings_problem_place(where, "path"));
}

static void system_check_socket(struct system_check *check, struct socket_settings *socket,
	const config_setting_t *where)
{
	socket->uid =
		system_id(check, &check->users, system_look_up_user, socket->owner, where, "owner");
	socket->gid = system_id(check, &check->groups, system_look_up_group, socket->group, where,
		"group");
	system_check_path(check, socket->path, settings_problem_place(where, "path"));
}

/* --- files of a connection ------------------------------------------------------------------ */

static bool system_read_line(const char *path, unsigned flags, struct error *error)
{
	char *line = NULL;
	bool read = (flags & SETTING_HEADER ? secrets_first_value : secrets_first_line)(path, &line,
		error);
	int failure = errno;

	alloc_wipe(line);
	errno = failure;
	return read;
}

static bool system_look_at_file(const char *path, unsigned flags, struct error *error)
{
	struct stat status;
	int fd;

	if (flags & SETTING_LINE)
		return system_read_line(path, flags, error);
	if (flags & SETTING_WRITTEN) {
		if (access(path, F_OK) < 0 || faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0)
			return true; /* a missing file is created when it is needed */
		return error_set(error, ERROR_SYSTEM, "cannot be written: %s", strerror(errno));
	}
	if (flags & SETTING_FOLDER) {
		if (stat(path, &status) < 0)
			return error_set(error, ERROR_SYSTEM, "cannot be read: %s",
				strerror(errno));
		return S_ISDIR(status.st_mode) ||
			error_set(error, ERROR_SYSTEM, "is %s, not a directory",
				file_kind(status.st_mode));
	}
	fd = file_open(path, FILE_REGULAR, error);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The problem contains the dotted `name` if the file is not named by the connection itself. */
static void system_check_file(struct system_check *check, const char *name, const char *path,
	unsigned flags)
{
	const config_setting_t *place = settings_problem_place(check->where, name);
	struct error error;
	char *text;

	if (path[0] != '/') { /* a credential, in a test: already reported */
		check->unread = true;
		return;
	}
	errno = 0;
	if (system_look_at_file(path, flags, &error))
		return;
	check->unread = true;
	text = alloc_format("%s%s%s %s", place == check->where ? name : "",
		place == check->where ? ": " : "", path, error.text);
	system_say(check, place, system_is_denied(errno), text);
	free(text);
}

static void system_check_files(struct system_check *check, const struct setting *table,
	const char *prefix, const void *target)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		const void *member = setting_member_const(setting, target);
		char *name = alloc_format("%s%s", prefix, setting->name);
		char *inside = alloc_format("%s.", name);
		const char *file;

		if (setting->group)
			system_check_files(check, setting->group, inside, member);
		for (size_t i = 0; setting->kind->file; i++) {
			file = setting->kind->file(member, i);
			if (!file)
				break;
			system_check_file(check, name, file, setting->flags);
		}
		free(inside);
		free(name);
	}
}

static void system_check_tls(struct system_check *check, const struct tls_settings *tls,
	const char *group)
{
	struct error error;

	if (tls_needs_check(tls) && !tls_check(tls, check->stores, &error))
		settings_problem(check->problems, settings_problem_place(check->where, group), "%s",
			error.text);
}

/* Checks that OpenSSL can use the files, which exist. */
static void system_check_all_tls(struct system_check *check,
	const struct connection_settings *settings)
{
	struct tls_settings tls = settings->tls, proxy = proxy_tls(&settings->proxy);
	char *passphrase = NULL;
	struct error error;

	system_check_tls(check, &proxy, "proxy");
	if (tls.key_passphrase_file &&
		!secrets_first_line(tls.key_passphrase_file, &passphrase, &error))
		return; /* it was there a moment ago */
	tls.key_passphrase = passphrase;
	system_check_tls(check, &tls, "tls");
	alloc_wipe(passphrase);
}

static void system_check_connection(struct system_check *check,
	const struct connection_config *connection, const config_setting_t *where)
{
	check->where = where;
	check->unread = false;
	system_check_files(check, connection_settings_table, "", connection->settings);
	if (!check->unread && check->stores)
		system_check_all_tls(check, connection->settings);
}

/* Connections that are alike share their settings, and are checked once. */
static void system_check_connections(struct system_check *check, const struct settings *settings,
	const struct settings_places *places)
{
	const struct connection_settings *before = NULL;
	bool common = false;

	for (size_t i = 0; i < settings->connection_count; i++) {
		const struct connection_config *connection = settings->connections[i];
		bool is_common = connection->settings == settings->defaults->settings;

		if (connection->settings != before && !(is_common && common))
			system_check_connection(check, connection, places->connections[i]);
		before = connection->settings;
		common |= is_common;
	}
}

/* --- the whole ------------------------------------------------------------------------------ */

/* A test by the daemon's own user gets the same results as the daemon. */
static bool system_is_stranger(const char *runtime_dir)
{
	struct stat status;

	return stat(runtime_dir, &status) < 0 || status.st_uid != geteuid();
}

static void system_release(struct system_check *check)
{
	struct system_answer *answer;

	names_release(&check->users);
	names_release(&check->groups);
	names_release(&check->folders);
	if (check->stores)
		tls_stores_release(check->stores);
	while ((answer = check->answers)) {
		check->answers = answer->next;
		free(answer->name);
		free(answer->fault);
		free(answer);
	}
}

void settings_check_system(struct settings *settings, const struct settings_places *places,
	struct settings_problems *problems)
{
	const char *runtime_dir = settings->gateway.runtime_dir;
	struct system_check check = {
		.problems = problems,
		.runtime_dir = runtime_dir,
		.stranger = problems->testing && system_is_stranger(runtime_dir),
		.stores = tls_stores_new(),
	};

	system_check_socket(&check, &settings->gateway.control,
		settings_problem_place(places->gateway, "control"));
	if (settings->gateway.observe.path)
		system_check_socket(&check, &settings->gateway.observe,
			settings_problem_place(places->gateway, "observe"));
	system_check_connections(&check, settings, places);
	for (size_t i = 0; i < settings->outlet_count; i++)
		system_check_outlet(&check, &settings->outlets[i]->outlet, places->outlets[i]);
	system_release(&check);
}

void connection_config_check_system(const struct connection_config *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	struct system_check check = {.problems = problems};

	system_check_connection(&check, connection, where);
	system_release(&check);
}
