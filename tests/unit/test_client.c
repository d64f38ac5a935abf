#include <stdlib.h>

#include "client_harness.h"

int main(void)
{
	SRunner *runner = srunner_create(client_open_suite());
	int failed;

	srunner_add_suite(runner, client_bytes_suite());
	srunner_add_suite(runner, client_ring_suite());
	srunner_add_suite(runner, client_lap_suite());
	srunner_add_suite(runner, client_send_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
