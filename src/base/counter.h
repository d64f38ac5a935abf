#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Numbers that a struct keeps, described for whatever shows them. The numbers of a struct and their
 * table are made from one list, a file of lines
 *
 *	COUNTER(field, kind, unit, description)
 *
 * with a kind and unit from below: TOTAL, BYTES. The manual has the same line, which a unit test
 * compares. As in OpenMetrics, each number has a kind and a unit.
 */
enum counter_kind {
	COUNTER_TOTAL, /* only grows, until it is reset */
	COUNTER_GAUGE, /* may also fall */
};

enum counter_unit {
	COUNTER_NONE, /* things are counted: messages, subscribers */
	COUNTER_BYTES,
	COUNTER_MICROSECONDS,
};

struct counter {
	const char *name; /* of the field, and in JSON; NULL ends a table */
	enum counter_kind kind;
	enum counter_unit unit;
	const char *description;
	size_t offset; /* of its uint64_t in the struct */
};

/* The number in a struct of the table's type. */
uint64_t counter_value(const struct counter *counter, const void *numbers);

/* "counter", "gauge"; "bytes", "microseconds" or, without a unit, "". */
const char *counter_kind_name(enum counter_kind kind);
const char *counter_unit_name(enum counter_unit unit);

#endif
