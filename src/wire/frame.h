/* SPDX-License-Identifier: ISC */
/*
 * The framed protocol: what callers, servers and the engine say to each other
 * over Unix-domain stream sockets.  A frame is a header of 24 bytes, in host
 * byte order, and a payload.
 */
#ifndef OTPD_WIRE_FRAME_H
#define OTPD_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_LEN	24
#define FRAME_MAGIC		0x4450544fU	/* "OTPD" in little endian */
#define FRAME_VERSION		1
#define FRAME_ENGINE_MAX	(1024U * 1024)	/* payload, engine and logger */
#define FRAME_SERVER_MAX	(16U * 1024 * 1024)

enum frame_type {
	FRAME_HELLO = 1, FRAME_CALL, FRAME_REPLY, FRAME_ERROR, FRAME_CAST,
	FRAME_INFO, FRAME_DOWN, FRAME_EXIT, FRAME_SYSTEM,
	FRAME_NTYPES
};

/* In REPLY and INFO: more frames with this ref follow. */
#define FRAME_F_MORE	0x01
/* In a HELLO that comes again: what was declared is known. */
#define FRAME_F_KNOWN	0x01

enum frame_error {		/* the tag of an ERROR; its payload: words */
	FRAME_E_TIMEOUT = 1, FRAME_E_NOPROC, FRAME_E_DOWN, FRAME_E_REFUSED,
	FRAME_E_TOO_LARGE, FRAME_E_PROTOCOL, FRAME_E_BAD_REQUEST,
	FRAME_NERRORS
};

struct frame_header {
	uint32_t	length;		/* bytes of payload */
	uint8_t		type;		/* enum frame_type */
	uint8_t		flags;
	uint16_t	tag;
	uint64_t	ref;		/* pairs a reply with its call */
	uint64_t	deadline;	/* CLOCK_MONOTONIC ns; 0: none */
};

struct frame_hello {		/* the fixed part of HELLO's payload; a server
				 * appends name NUL path NUL */
	uint32_t	magic;
	uint16_t	version;
	uint16_t	reserved;
	uint32_t	max_payload;	/* what the sender of this accepts */
	int32_t		pid;		/* of a server; 0 from a client */
	uint64_t	generation;	/* of a server */
};

/*
 * One whole frame at the head of buf[0..len)?  Returns the frame's length in
 * bytes (header and payload) with *out filled in; 0 when more bytes are
 * needed; -EPROTO for a bad type, -EMSGSIZE for a payload over max_payload.
 * Never reads beyond len.  The payload stands at buf + FRAME_HEADER_LEN.
 */
long	frame_parse(const uint8_t *buf, size_t len, uint32_t max_payload,
	    struct frame_header *out);
void	frame_encode(const struct frame_header *h, uint8_t out[FRAME_HEADER_LEN]);
const char *frame_error_name(uint16_t tag);	/* "timeout"; never NULL */

#endif /* OTPD_WIRE_FRAME_H */
