#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>

#include "gateway/settings.h"

/*
 * Runs the daemon with these settings, read from `file`, until a signal stops it; takes them over.
 * `problems` are logged, those of preparing the settings and new ones. False: it could not start.
 * SIGTERM, SIGINT and SIGHUP are held before and after.
 */
bool daemon_run(const char *file, struct settings *settings, struct settings_problems *problems);

#endif
