#ifndef CONTROL_RPC_REQUEST_H
#define CONTROL_RPC_REQUEST_H

#include "control/rpc.h"

/* Requests as they come: lines into JSON, and JSON against JSON-RPC 2.0 and a method's table. */

struct rpc_fault {
	enum rpc_code code;
	char text[256];
};

/* The line as JSON, which the caller owns; NULL and the fault if it is not JSON, or too much. */
json_t *rpc_request_parse(const char *line, size_t length, struct rpc_fault *fault);

/* A blank line, which is ignored. */
bool rpc_request_is_blank(const char *line, size_t length);

/* Why it is not a request (JSON-RPC 2.0, section 4); NULL if it is one. */
const char *rpc_request_problem(const json_t *request);

/*
 * A new object of parameters that fits the method's table, from the request's `params` (NULL: there
 * are none). NULL, and the problem as a text, if they do not fit.
 */
json_t *rpc_request_parameters(const struct rpc_method *method, json_t *params, char *problem,
	size_t size);

#endif
