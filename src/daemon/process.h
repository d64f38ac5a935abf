#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <stdbool.h>

/* Settings of the process as a whole. */

/* Signals that would end the process although they mean nothing to it. */
void process_ignore_signals(void);

/*
 * SIGTERM, SIGINT and SIGHUP are held, for instance while the daemon starts, until it can act on them.
 * All others are let through, whatever mask the process was started with.
 */
void process_hold_signals(bool hold);

/* Thousands of connections and subscribers need descriptors; the hard limit is the
 * administrator's. */
void process_raise_descriptor_limit(void);

/* Large blocks of memory go back to the system when they are freed, whatever came before. */
void process_return_memory(void);

/*
 * The memory has keys, passwords and tokens: no core dump, no debugger of the daemon's own user. Only
 * the process itself can then use what is below /proc/self. JSON from clients is wiped when freed.
 */
void process_keep_memory_private(void);

#endif
