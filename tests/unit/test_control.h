#ifndef TEST_CONTROL_H
#define TEST_CONTROL_H

#include <check.h>

/* Each file of the program is one suite. */
Suite *control_turns_suite(void);
Suite *report_suite(void);
Suite *rpc_request_suite(void);
Suite *rpc_suite(void);
Suite *json_config_suite(void);
Suite *server_suite(void);

#endif
