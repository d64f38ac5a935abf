#ifndef CONTROL_RPC_H
#define CONTROL_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * JSON-RPC 2.0, one request or batch a line, without I/O: bytes in, lines out. It knows none of the
 * methods: they come as a table.
 */

enum {
	RPC_LINE_MAX = 1024 * 1024,    /* bytes; a longer line ends the session */
	RPC_OUTPUT_MARK = 1024 * 1024, /* with so many bytes unsent, no request is taken up */
	RPC_BATCH_MAX = 1000,          /* requests */
	RPC_CALLS_MAX = 64,            /* of one session that wait for their answer */
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

/* A bit each, so that a parameter can be one of several. */
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

/* One request that has not been answered yet. */
struct rpc_call;

/*
 * Takes up the request. `parameters` is an object that the table has been checked against (null
 * counts as absent), borrowed until the function returns. The function answers with exactly one of
 * rpc_answer(), rpc_fail() and rpc_refuse(), or their like, now or later.
 */
typedef void (*rpc_function)(struct rpc_call *call, json_t *parameters);

enum rpc_nature {
	RPC_OBSERVES = 1, /* changes nothing */
	RPC_WAITS = 2,    /* while rpc_callbacks.busy() says so, and all that comes behind it */
};

struct rpc_method {
	const char *name; /* NULL ends the table */
	/* In positional order, ended by a NULL name; NULL: the method takes any object. */
	const struct rpc_parameter *parameters;
	rpc_function function;
	unsigned nature; /* of enum rpc_nature */
};

/* Each ends the call, which is gone afterwards. `result` and `details` are taken over. */
void rpc_answer(struct rpc_call *call, json_t *result);

/* A result of many parts, each made when it is its turn: thousands are never in memory at once, nor
 * made in one step. */
struct rpc_items {
	void *context;
	bool named; /* the members of an object; else an array */
	/* The next one, new, with its name if they are named; NULL: that was all. */
	json_t *(*next)(const char **name, void *context);
	void (*end)(void *context); /* frees the context */
};
void rpc_answer_items(struct rpc_call *call, const struct rpc_items *items);
/* `details`: an object whose members go into `data` beside `err`; may be NULL. */
void rpc_fail(struct rpc_call *call, const struct error *error, json_t *details);
void rpc_refuse(struct rpc_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A parameter is wrong, and the error has a name for it. */
void rpc_refuse_error(struct rpc_call *call, const struct error *error);

/* For a call that is answered later: what to do if the session ends before. The call is gone when
 * `cancel` is called. */
void rpc_on_cancel(struct rpc_call *call, void (*cancel)(void *context), void *context);

/* Likewise: the session's next requests are taken up when it has been answered, as they may build on
 * it. */
void rpc_hold(struct rpc_call *call);

/* The context of the call's session. */
void *rpc_context(const struct rpc_call *call);

struct rpc_callbacks {
	void *context;
	/* Takes whole lines for the peer; must not free the session. */
	void (*write)(const void *data, size_t length, void *context);
	/* The bytes of them that the peer has not taken yet. */
	size_t (*unsent)(void *context);
	/* Whether what is RPC_WAITS cannot be called now; when that has changed, the owner goes
	 * on with the steps. May be NULL. */
	bool (*busy)(void *context);
	/* A call that held the others has ended: the owner goes on with the steps. May
	 * be NULL. */
	void (*released)(void *context);
};

/* Borrows the table; `context` is for the methods. `observer`: only those that change nothing. */
struct rpc_session *rpc_session_new(const struct rpc_method *methods, bool observer,
	const struct rpc_callbacks *callbacks, void *context);

/* Cancels the calls that wait. */
void rpc_session_free(struct rpc_session *session);

/* Takes the next bytes from the peer; what they ask for is done by the steps. */
void rpc_session_input(struct rpc_session *session, const void *data, size_t length);

/*
 * Does one step of bounded work: a request, also one of a batch, or a piece of an answer that has
 * many items. False: nothing is left to do, until the peer has sent or, after rpc_session_full(),
 * read more.
 */
bool rpc_session_step(struct rpc_session *session);

/* The peer does not read: no input until it does. */
bool rpc_session_full(const struct rpc_session *session);

/* A request waits until the owner is not busy any more, or until one that holds it has been answered: no
 * input until then. */
bool rpc_session_waits(const struct rpc_session *session);

/* Nothing more is taken from the peer after a line that was too long. */
bool rpc_session_ended(const struct rpc_session *session);

/* Whether the peer waits for an answer. */
bool rpc_session_owes(const struct rpc_session *session);

/* A JSON string of a text that others have had a hand in, as text_clean() leaves it; null for
 * NULL. */
json_t *rpc_text(const char *text);

/* The line of a notification to a peer, in new memory that the caller frees. Takes `parameters`
 * over. */
char *rpc_notification(const char *method, json_t *parameters);

#endif
