#ifndef CONTROL_RPC_H
#define CONTROL_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json_put.h"

/* JSON-RPC 2.0 as a method sees it: its entry in the table, and the calls that it answers. */

enum {
	RPC_LINE_MAX = 1024 * 1024,    /* bytes, unless rpc_callbacks.line_max() permits more */
	RPC_OUTPUT_MARK = 1024 * 1024, /* with this many bytes unread, no request is taken */
	RPC_BATCH_MAX = 1000,          /* requests */
	RPC_CALLS_MAX = 64,            /* unanswered, of one channel */
	RPC_ID_MAX = 256,              /* bytes */
	RPC_VALUES_MAX = 50000,        /* JSON values in a line: each costs memory and time */
};

/* JSON-RPC 2.0, section 5.1; those from -32000 down are ours. */
enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_UNKNOWN_METHOD = -32601,
	RPC_INVALID_PARAMETERS = -32602,
	RPC_FAILED = -32000,   /* `data.err` names the error */
	RPC_TOO_MANY = -32001, /* requests, or answers, at once */
};

/* Bits, as a parameter may be one of several. */
enum rpc_type {
	RPC_STRING = 1,
	RPC_INTEGER = 2,
	RPC_BOOLEAN = 4,
	RPC_OBJECT = 8,
	RPC_STRINGS = 16, /* an array of strings */
	RPC_ANY = 32,
};

struct rpc_parameter {
	const char *name;
	unsigned types; /* of enum rpc_type */
	bool required;
	int64_t minimum; /* of an integer */
	int64_t maximum;
};

/* A request that has not been answered yet. */
struct rpc_call;

enum rpc_flags {
	RPC_OBSERVES = 1, /* changes nothing */
	RPC_WAITS = 2,    /* while rpc_callbacks.busy() says so, and all requests behind it */
};

/* One method: everything about it in one place. */
struct rpc_method {
	const char *name;
	/* In positional order, ended by a NULL name; NULL: the method takes any object. */
	const struct rpc_parameter *parameters;
	/*
	 * Answers, now or later, with exactly one of rpc_end(), rpc_answer_true(), rpc_fail(),
	 * rpc_refuse() and rpc_answer_items(). `parameters` is an object that fits the table (null
	 * counts as absent), borrowed until the function returns.
	 */
	void (*run)(struct rpc_call *call, json_t *parameters);
	unsigned flags; /* of enum rpc_flags */
};

/* For the table of a method without parameters. */
extern const struct rpc_parameter rpc_no_parameters[];

/*
 * Begins the answer: put one value, the result, then rpc_end(). Between the two nothing else may
 * happen to the channel.
 */
struct json_writer *rpc_begin_result(struct rpc_call *call);

/* Begins the answer that it failed: put members of the error's `data`, or none, then rpc_end(). */
struct json_writer *rpc_begin_failure(struct rpc_call *call, const struct error *error);

/* Sends the answer that has been begun. This and the following end the call, which is gone then. */
void rpc_end(struct rpc_call *call);

void rpc_answer_true(struct rpc_call *call);
void rpc_fail(struct rpc_call *call, const struct error *error);

/* A parameter is invalid. The second form is for an error that has a name. */
void rpc_refuse(struct rpc_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void rpc_refuse_error(struct rpc_call *call, const struct error *error);

/* A result of many parts, a few of which are put in each step. */
struct rpc_items {
	bool named; /* members of an object; otherwise of an array */
	/* Puts the next one, with a name if they are named. False: that was all. */
	bool (*next)(struct json_writer *json, void *context);
	void (*end)(void *context); /* frees the context; always called, once */
};
void rpc_answer_items(struct rpc_call *call, const struct rpc_items *items, void *context);

/* For a call that is answered later: called if the channel ends before. The call is gone by then. */
void rpc_on_cancel(struct rpc_call *call, void (*cancel)(void *context), void *context);

/* For a call that is answered later: requests behind it wait for its answer, as they may build on
 * it. */
void rpc_hold(struct rpc_call *call);

/* The context of the methods, as rpc_channel_new() was given it. */
void *rpc_context(const struct rpc_call *call);

#endif
