#ifndef TEST_CONTROL_H
#define TEST_CONTROL_H

#include <check.h>

/* Each file of the program is one suite. */
Suite *rpc_suite(void);
Suite *json_config_suite(void);
Suite *server_suite(void);

#endif
