#ifndef TESTS_OUTLET_SUITES_H
#define TESTS_OUTLET_SUITES_H

#include <check.h>

Suite *ring_suite(void);
Suite *ring_adopt_suite(void);
Suite *ring_hostile_suite(void);
Suite *readers_suite(void);
Suite *room_suite(void);
Suite *formats_suite(void);
Suite *deliver_suite(void);
Suite *join_suite(void);
Suite *input_suite(void);
Suite *mapped_suite(void);
Suite *lap_suite(void);
Suite *packets_suite(void);

#endif
