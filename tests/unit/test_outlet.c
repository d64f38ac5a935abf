#include <check.h>
#include <stdlib.h>

#include "outlet_suites.h"

int main(void)
{
	SRunner *runner = srunner_create(ring_suite());
	int failed;

	srunner_add_suite(runner, readers_suite());
	srunner_add_suite(runner, formats_suite());
	srunner_add_suite(runner, deliver_suite());
	srunner_add_suite(runner, room_suite());
	srunner_add_suite(runner, join_suite());
	srunner_add_suite(runner, input_suite());
	srunner_add_suite(runner, ring_adopt_suite());
	srunner_add_suite(runner, ring_hostile_suite());
	srunner_add_suite(runner, mapped_suite());
	srunner_add_suite(runner, lap_suite());
	srunner_add_suite(runner, packets_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
