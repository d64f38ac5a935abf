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

/*
 * Waits for the end of standard input: the script that drives the run holds it open for as long as
 * it measures, and a program that ended earlier would have its peers close or connect anew.
 */
void bench_wait_for_end(void);

/* The value of an option: a number of at least `least`. */
uint64_t bench_number(const char *option, const char *text, uint64_t least);

/* As many file descriptors as the system allows. */
void bench_raise_file_limit(void);

/* A listening socket on a free port of 127.0.0.1; the port goes to standard output. */
int bench_listen_loopback(void);

/* A listening UNIX socket of the type SOCK_STREAM at `path`. */
int bench_listen_unix(const char *path);

/* A connection to the UNIX socket at `path`; `type`: SOCK_STREAM or SOCK_SEQPACKET. */
int bench_connect_unix(const char *path, int type);

/* Writes everything to a blocking descriptor. */
void bench_write(int fd, const void *data, size_t length);

/* CLOCK_MONOTONIC in nanoseconds: the same clock in all processes of the machine. */
uint64_t bench_now(void);

/*
 * The time of sending in a message: 16 hexadecimal digits at the beginning of the payload, so that
 * it is text. No terminator.
 */
enum { BENCH_STAMP_SIZE = 16 };
void bench_stamp_write(uint8_t *payload, uint64_t time);
uint64_t bench_stamp_read(const uint8_t *payload);

/*
 * Writes the answer to the opening handshake in `request` (NUL-terminated, complete) into `answer`
 * and returns its length. `more`: further header lines, each with its CRLF.
 */
enum { BENCH_HEAD_MAX = 8192 };
size_t bench_upgrade_answer(const char *request, const char *more, char answer[BENCH_HEAD_MAX]);

#endif
