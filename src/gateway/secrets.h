#ifndef GATEWAY_SECRETS_H
#define GATEWAY_SECRETS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"
#include "gateway/settings.h"

/*
 * What a connection's settings keep in files: read anew for each call, so that rotating a file is
 * enough, and wiped after it. What is not set is NULL.
 */
struct secrets {
	char *password;
	char *bearer;
	char *proxy_password;
	char *key_passphrase;
	struct header_list headers; /* of header_files */
};

/*
 * The one line of a regular file, which must be neither empty nor longer than 16 KiB nor have a NUL
 * in it; the caller gives it to alloc_wipe(). White space may follow the end of the line, a byte order
 * mark precede it. The text of an error goes behind the path, and never has the content; errno says why
 * it could not be read.
 */
bool secrets_first_line(const char *path, char **line, struct error *error);
bool secrets_first_value(const char *path, char **line,
	struct error *error); /* can be in a header; without white space at both ends */

/*
 * Reads the first line of each file. A file that everybody can read gets a line in the log; one
 * that cannot be read is an error, whose text has the setting and the path, never the content.
 * `log` may be NULL.
 */
bool secrets_load(struct secrets *secrets, const struct connection_config *connection,
	struct log *log, struct error *error);
void secrets_release(struct secrets *secrets);

#endif
