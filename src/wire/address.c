/* SPDX-License-Identifier: ISC */
/*
 * Addresses of sockets; see address.h.  Never allocates.
 */
#include "wire/address.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
wire_address(const char *path, struct sockaddr_un *out, int *out_dir)
{
	const char *base = strrchr(path, '/');
	char folder[PATH_MAX];
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*out_dir = -1;
	if (strlen(path) < sizeof(out->sun_path)) {
		memcpy(out->sun_path, path, strlen(path) + 1);
		return path[0] == '\0' ? -ENOENT : 0;
	}
	if (base == NULL || (size_t)(base - path) >= sizeof(folder) - 1)
		return -ENAMETOOLONG;
	memcpy(folder, path, (size_t)(base + 1 - path));
	folder[base + 1 - path] = '\0';
	*out_dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*out_dir < 0)
		return -errno;
	n = snprintf(out->sun_path, sizeof(out->sun_path),
	    "/proc/self/fd/%d/%s", *out_dir, base + 1);
	if (n < 0 || (size_t)n >= sizeof(out->sun_path)) {
		(void)close(*out_dir);
		*out_dir = -1;
		return -ENAMETOOLONG;
	}
	return 0;
}
