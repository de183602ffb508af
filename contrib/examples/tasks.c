/* SPDX-License-Identifier: ISC */
/*
 * Named task functions for a task_supervisor, as etc/tasks.json has one:
 *
 *	const char *argv[] = { "/usr/lib/app/tasks", "words", NULL };
 *	otp_task_sup_async(self, "tasks", argv, text, len, 0, &task);
 *
 * By hand: ./tasks sum 1 2 3
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <otp.h>

/* How many words there are in the input. */
static int
words(struct otp_out *out, int argc, char **argv, const char *input,
    size_t len)
{
	size_t n = 0;

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < len; i++)
		n += isspace((unsigned char)input[i]) == 0 && (i + 1 == len ||
		    isspace((unsigned char)input[i + 1]) != 0);
	return otp_print(out, "%zu", n);
}

/* The sum of its arguments; what is no number is an error. */
static int
sum(struct otp_out *out, int argc, char **argv, const char *input, size_t len)
{
	long n = 0;
	char *end;

	(void)input;
	(void)len;
	for (int i = 1; i < argc; i++) {
		n += strtol(argv[i], &end, 10);
		if (*end != '\0')
			return otp_task_exit(out, "{badarg,sum}");
	}
	return otp_print(out, "%ld", n);
}

/* A bug. */
static int
crash(struct otp_out *out, int argc, char **argv, const char *input,
    size_t len)
{
	(void)out;
	(void)argc;
	(void)argv;
	(void)input;
	(void)len;
	abort();
}

/* Until it is ended. */
static int
hang(struct otp_out *out, int argc, char **argv, const char *input, size_t len)
{
	(void)out;
	(void)argc;
	(void)argv;
	(void)input;
	(void)len;
	for (;;)
		(void)pause();
	return -EINTR;
}

static const struct otp_task_entry table[] = {
	{ "crash", crash },
	{ "hang", hang },
	{ "sum", sum },
	{ "words", words },
	{ NULL, NULL }
};

int
main(int argc, char **argv)
{
	return otp_task_main(table, argc, argv);
}
