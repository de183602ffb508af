/* SPDX-License-Identifier: ISC */
/*
 * Values out of JSON on standard input, for shell scripts.
 *
 *	pick PLACE...		from one text: the values, a space between
 *	pick -l PLACE...	from one text a line: a line of values each
 *
 * A place is member.member...; a number picks from an array, * stands for
 * every element.  What is not there is "-".  An array at the end gives its
 * size in brackets.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

static bool first;

static void
put(const cJSON *value)
{
	if (!first)
		putchar(' ');
	first = false;
	if (cJSON_IsString(value))
		printf("%s", value->valuestring);
	else if (cJSON_IsNumber(value))
		printf("%.15g", value->valuedouble);
	else if (cJSON_IsBool(value))
		printf("%s", cJSON_IsTrue(value) ? "true" : "false");
	else if (cJSON_IsArray(value))
		printf("[%d]", cJSON_GetArraySize(value));
	else
		printf("-");
}

static void
walk(const cJSON *at, const char *place)
{
	size_t len = strcspn(place, ".");
	const char *rest = place[len] == '.' ? place + len + 1 : "";
	const cJSON *each;
	char name[128];

	if (*place == '\0' || at == NULL) {
		put(at);
		return;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)len, place);
	if (strcmp(name, "*") == 0) {
		cJSON_ArrayForEach(each, at)
			walk(each, rest);
	} else if (cJSON_IsArray(at)) {
		walk(cJSON_GetArrayItem(at, atoi(name)), rest);
	} else {
		walk(cJSON_GetObjectItemCaseSensitive(at, name), rest);
	}
}

static void
pick(const char *text, size_t len, char **places)
{
	cJSON *object = cJSON_ParseWithLength(text, len);

	if (object == NULL) {
		(void)fprintf(stderr, "pick: no JSON: %.*s\n", (int)len, text);
		exit(1);
	}
	first = true;
	for (; *places != NULL; places++)
		walk(object, *places);
	printf("\n");
	cJSON_Delete(object);
}

int
main(int argc, char **argv)
{
	bool lines = argc > 1 && strcmp(argv[1], "-l") == 0;
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	argv += lines ? 2 : 1;
	if (lines)
		setlinebuf(stdout);	/* somebody may wait for a line */
	while ((n = getdelim(&text, &size, lines ? '\n' : '\0', stdin)) > 0)
		pick(text, (size_t)n, argv);
	free(text);
	return 0;
}
