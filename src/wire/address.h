/* SPDX-License-Identifier: ISC */
/*
 * The address of a socket's path, for a path of any length that there may be.
 */
#ifndef OTPD_WIRE_ADDRESS_H
#define OTPD_WIRE_ADDRESS_H

#include <sys/un.h>

/*
 * 0 or -errno.  The folder of a path too long for sun_path is opened and named
 * through /proc: *out_dir is to be closed when the address was used, -1 when
 * there is none.
 */
int	wire_address(const char *path, struct sockaddr_un *out, int *out_dir);

#endif /* OTPD_WIRE_ADDRESS_H */
