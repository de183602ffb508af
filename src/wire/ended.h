/* SPDX-License-Identifier: ISC */
/*
 * The file in the runtime directory that says why an otpd ended by itself:
 * {"at":"2026-11-22T00:40:01.000Z","code":7,"why":"words"}.  The engine leaves
 * it, otpctl reads it while no otpd runs, and the next otpd takes it away.
 */
#ifndef OTPD_WIRE_ENDED_H
#define OTPD_WIRE_ENDED_H

#define ENDED_FILE	"ended"

#endif /* OTPD_WIRE_ENDED_H */
