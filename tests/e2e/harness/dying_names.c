/*
 * For LD_PRELOAD: a host on which the names in $DYING_NAMES_KNOWN, separated by spaces, are at
 * 127.0.0.1, and all others take a minute to fail, as with name servers that are dead. Each lookup adds
 * its name to the file $DYING_NAMES_ASKED.
 */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *host)
{
	int fd = open(getenv("DYING_NAMES_ASKED"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	dprintf(fd, "%s\n", host);
	close(fd);
}

static int is_known(const char *host)
{
	char list[1024];
	char *place, *name;

	snprintf(list, sizeof(list), "%s", getenv("DYING_NAMES_KNOWN"));
	name = strtok_r(list, " ", &place);
	while (name && strcmp(name, host) != 0)
		name = strtok_r(NULL, " ", &place);
	return name != NULL;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	struct addrinfo **found)
{
	struct sockaddr_in *address;

	(void)service;
	note(host);
	if (!is_known(host)) {
		sleep(60);
		return EAI_AGAIN;
	}
	if (hints->ai_family == AF_INET6)
		return EAI_NODATA;
	*found = calloc(1, sizeof(**found) + sizeof(*address));
	address = (struct sockaddr_in *)(*found + 1);
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(*found)->ai_family = AF_INET;
	(*found)->ai_addrlen = sizeof(*address);
	(*found)->ai_addr = (struct sockaddr *)address;
	return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
	free(found);
}
