/* In the place of libFuzzer: runs a fuzz target once for each file of its corpus. So every
 * build compiles the targets, and `make check` runs them with the corpus. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLAY_MAX = 1 << 20 }; /* bytes of an input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_fail(const char *path)
{
	perror(path);
	exit(EXIT_FAILURE);
}

/* In memory of just its size, so that a sanitizer sees what is read beyond it. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(REPLAY_MAX);
	size_t size;

	if (!file || !data)
		replay_fail(path);
	size = fread(data, 1, REPLAY_MAX, file);
	if (ferror(file))
		replay_fail(path);
	fclose(file);
	data = realloc(data, size ? size : 1);
	printf("%s\n", path); /* the last one, if the target aborts */
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int replay_directory(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	char file[4096];
	int count = 0;

	if (!directory)
		replay_fail(path);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		replay_file(file);
		count++;
	}
	closedir(directory);
	return count;
}

int main(void)
{
	int count = replay_directory(REPLAY_CORPUS);

	printf("%d inputs\n", count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
