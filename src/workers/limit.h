/* SPDX-License-Identifier: ISC */
/*
 * A server of many callers needs as many descriptors as it may have.
 */
#ifndef OTPD_WORKERS_LIMIT_H
#define OTPD_WORKERS_LIMIT_H

void	limit_files(void);

#endif /* OTPD_WORKERS_LIMIT_H */
