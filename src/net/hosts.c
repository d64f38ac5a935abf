#include "net/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char hosts_space[] = " \t\r\n";

static bool hosts_names_match(const char *name, const char *host)
{
	size_t length = strlen(name), host_length = strlen(host);

	length -= length && name[length - 1] == '.';
	host_length -= host_length && host[host_length - 1] == '.';
	return length == host_length && strncasecmp(name, host, length) == 0;
}

/* "192.0.2.1 name alias… # comment" */
static void hosts_take_line(char *line, const char *host, int family, struct hosts_answer *answer)
{
	char *place, *name, *numeric;
	struct address address;

	line[strcspn(line, "#")] = '\0';
	numeric = strtok_r(line, hosts_space, &place);
	if (!numeric || !address_parse(&address, numeric, 0))
		return;
	do
		name = strtok_r(NULL, hosts_space, &place);
	while (name && !hosts_names_match(name, host));
	if (!name)
		return;
	answer->listed = true;
	if (address.generic.sa_family == family && answer->count < answer->max)
		answer->addresses[answer->count++] = address;
}

/* As for the C library, a file that is not there, or not for us, is as good as an empty one. */
static bool hosts_are_missing(int cause)
{
	return cause == ENOENT || cause == ENOTDIR || cause == EACCES || cause == EPERM ||
		cause == ELOOP;
}

bool hosts_find(const char *path, const char *host, int family, struct hosts_answer *answer,
	struct error *error)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	answer->listed = false;
	answer->count = 0;
	if (!file)
		return hosts_are_missing(errno) ||
			error_set(error, ERROR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
	while (getline(&line, &size, file) >= 0)
		hosts_take_line(line, host, family, answer);
	free(line);
	fclose(file);
	return true;
}
