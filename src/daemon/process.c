#include "daemon/process.h"

#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum {
	PROCESS_LARGE = 256 << 10,   /* bytes of a block that is a mapping of its own */
	PROCESS_LARGE_TOP = 1 << 20, /* free bytes at the end of the heap */
};

void process_ignore_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
		SIGPWR, SIGSTKFLT, SIGXFSZ};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		signal(number, SIG_IGN);
}

void process_hold_signals(bool hold)
{
	sigset_t mask;

	sigemptyset(&mask);
	if (hold) {
		sigaddset(&mask, SIGTERM);
		sigaddset(&mask, SIGINT);
		sigaddset(&mask, SIGHUP);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

void process_raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/*
 * The C library would learn from large blocks to keep even larger ones: one message of 30 MB, and it
 * would keep as much for ever.
 */
void process_return_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, PROCESS_LARGE);
	mallopt(M_TRIM_THRESHOLD, PROCESS_LARGE_TOP);
}

/* JSON from clients may hold secrets, such as the headers of `connect`. */
static void process_wipe(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

void process_keep_memory_private(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	json_set_alloc_funcs(malloc, process_wipe);
}
