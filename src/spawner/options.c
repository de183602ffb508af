/* SPDX-License-Identifier: ISC */
/*
 * The command line.  Paths are made absolute here, for otpd then leaves the
 * directory it was started in.
 */
#include "spawner/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "spawner/say.h"
#include "spawner/upgrade.h"

#define GO_ON	(-1)
#define USAGE	2

static const char help[] =
    "usage: otpd [-bhnqvV] [-c file] [-l logdir] [-r rundir]\n"
    "\n"
    "  -b       run in the background, once it is up\n"
    "  -c file  the configuration (/etc/otpd/otpd.json as root,\n"
    "           ~/.config/otpd/otpd.json otherwise)\n"
    "  -h       say this\n"
    "  -l dir   where logs are written (/var/log/otpd; ~/.local/state/otpd)\n"
    "  -n       check the configuration and exit\n"
    "  -q       say errors only\n"
    "  -r dir   where its sockets are; otpctl takes the same -r\n"
    "           ($OTP_RUNTIME_DIR; /run/otpd; $XDG_RUNTIME_DIR/otpd)\n"
    "  -v       say more\n"
    "  -V       say the version and exit\n";
static const char version[] = "otpd " PACKAGE_VERSION "\n";

static int
print(const char *text)
{
	size_t len = strlen(text);

	return write(STDOUT_FILENO, text, len) == (ssize_t)len ? 0 : 1;
}

/* dir (may be NULL), then path, into out; -ENAMETOOLONG. */
static int
join(const char *dir, const char *path, char *out)
{
	size_t n = dir != NULL ? strlen(dir) : 0, len = strlen(path);

	if (n + len >= PATH_MAX)
		return -ENAMETOOLONG;
	if (n > 0)
		memcpy(out, dir, n);
	memcpy(out + n, path, len + 1);
	return 0;
}

static int
absolute(const char *path, char *out)
{
	char cwd[PATH_MAX];
	size_t len;

	if (path[0] == '/')
		return join(NULL, path, out);
	if (getcwd(cwd, sizeof(cwd) - 1) == NULL) {
		int error = errno;

		SAY(STDERR_FILENO, path, " is relative to the current "
		    "directory, which cannot be told: ", strerror(error));
		return -error;
	}
	len = strlen(cwd);
	if (len > 1) {
		cwd[len] = '/';
		cwd[len + 1] = '\0';
	}
	return join(cwd, path, out);
}

/* The first of the variables that is set, with its suffix; else root's. */
struct fallback {
	const char *root, *name, *variable, *suffix, *other, *other_suffix;
};

static const char *
variable(const char *name)
{
	const char *value = name != NULL ? getenv(name) : NULL;

	return value != NULL && value[0] == '/' ? value : NULL;
}

static int
fall_back(const struct fallback *f, char *out)
{
	const char *dir;

	if (out[0] != '\0')
		return 0;
	if (geteuid() == 0)
		return join(NULL, f->root, out);
	dir = variable(f->variable);
	if (dir != NULL)
		return join(dir, f->suffix, out);
	dir = variable(f->other);
	if (dir != NULL)
		return join(dir, f->other_suffix, out);
	SAY(STDERR_FILENO, "no ", f->name, ": neither the option nor $",
	    f->variable, " is given");
	return -ENOENT;
}

static int
defaults(struct options *o)
{
	static const struct fallback config = {
		"/etc/otpd/otpd.json", "configuration (-c)", "HOME",
		"/.config/otpd/otpd.json", NULL, NULL
	}, runtime = {
		"/run/otpd", "runtime directory (-r)", "XDG_RUNTIME_DIR",
		"/otpd", NULL, NULL
	}, logs = {
		"/var/log/otpd", "log directory (-l)", "XDG_STATE_HOME",
		"/otpd", "HOME", "/.local/state/otpd"
	};
	const char *dir = getenv("OTP_LIBEXEC");
	int rc;

	rc = join(NULL, dir != NULL ? dir : LIBEXECDIR, o->libexec);
	dir = getenv("OTP_RUNTIME_DIR");
	if (rc == 0 && o->runtime[0] == '\0' && dir != NULL && dir[0] != '\0')
		rc = absolute(dir, o->runtime);
	if (rc == 0)
		rc = fall_back(&config, o->config);
	if (rc == 0 && !o->check)
		rc = fall_back(&runtime, o->runtime);
	if (rc == 0 && !o->check)
		rc = fall_back(&logs, o->logs);
	if (rc == -ENAMETOOLONG)
		SAY(STDERR_FILENO, "a path is too long");
	return rc;
}

static int
complain(const char *what, int option)
{
	char name[3] = { '-', (char)option, '\0' };

	SAY(STDERR_FILENO, what, " ", name, " (otpd -h tells more)");
	return USAGE;
}

/* One option; GO_ON or an exit code. */
static int
take(struct options *o, int c)
{
	char *path = NULL;
	int rc;

	switch (c) {
	case 'b': o->background = true; return GO_ON;
	case 'n': o->check = true; return GO_ON;
	case 'q': o->quiet = true; return GO_ON;
	case 'v': o->verbose = true; return GO_ON;
	case 'V': return print(version);
	case 'h': return print(help);
	case 'c': path = o->config; break;
	case 'r': path = o->runtime; break;
	case 'l': path = o->logs; break;
	case ':': return complain("no argument to", optopt);
	default: return complain("no such option:", optopt);
	}
	if (optarg[0] == '\0')
		return complain("an empty argument to", c);
	rc = absolute(optarg, path);
	if (rc == -ENAMETOOLONG)
		return complain("a path that is too long:", c);
	return rc < 0 ? 1 : GO_ON;
}

/* Whoever is about to become us asks: can we read that? */
static int
takes(const char *form)
{
	char ours[MANIFEST_FORM];

	manifest_form(ours);
	return form != NULL && strcmp(form, ours) == 0 ?
	    UPGRADE_TAKES : UPGRADE_REFUSES;
}

/* The two long ones that everybody tries, and one that only otpd does. */
static int
long_option(const char *arg, const char *next)
{
	if (strcmp(arg, "--takes") == 0)
		return takes(next);
	if (strcmp(arg, "--help") == 0)
		return print(help);
	if (strcmp(arg, "--version") == 0)
		return print(version);
	if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0')
		return GO_ON;
	SAY(STDERR_FILENO, "no such option: ", arg, " (otpd -h tells more)");
	return USAGE;
}

int
options_parse(int argc, char **argv, struct options *out)
{
	int c, rc;

	opterr = 0;
	for (;;) {
		if (optind < argc) {
			rc = long_option(argv[optind], argv[optind + 1]);
			if (rc != GO_ON)
				return rc;
		}
		c = getopt(argc, argv, "+:bc:hl:nqr:vV");
		if (c == -1)
			break;
		rc = take(out, c);
		if (rc != GO_ON)
			return rc;
	}
	if (optind < argc) {
		SAY(STDERR_FILENO, "an argument that is not expected: ",
		    argv[optind], " (otpd -h tells more)");
		return USAGE;
	}
	return defaults(out) < 0 ? USAGE : GO_ON;
}
