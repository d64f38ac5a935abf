#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the programs of the benchmark share. Each does one thing, says on standard output when it is
 * ready, and ends with a message at the first thing that goes wrong.
 */

/* Prints the message, and the text of errno if it is set; exits with status 1. */
void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Prints a line for the script that drives the run, at once. */
void bench_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of an option: a number of at least `least`. */
uint64_t bench_number(const char *option, const char *text, uint64_t least);

/* As many file descriptors as the system allows. */
void bench_raise_file_limit(void);

/* A listening socket on a free port of 127.0.0.1; the port goes to standard output. */
int bench_listen_loopback(void);

/* Writes everything to a blocking descriptor. */
void bench_write(int fd, const void *data, size_t length);

/*
 * Writes the answer to the opening handshake in `request` (NUL-terminated, complete) into `answer`
 * and returns its length. `more`: further header lines, each with its CRLF.
 */
enum { BENCH_HEAD_MAX = 8192 };
size_t bench_upgrade_answer(const char *request, const char *more, char answer[BENCH_HEAD_MAX]);

#endif
