/* SPDX-License-Identifier: ISC */
/*
 * A gen_server in a child process that does what it is told, and writes down
 * what happens to it where the test can read it, also after its end.
 *
 * Requests: "echo X", "stop R", "stop_reply R", "fail", "odd", "never",
 * "later" and "release", "timeout MS", "continue", "hibernate", "after MS",
 * "timer MS", "interval MS", "cancel", "self", "tell_self", "nap MS" (inside
 * the callback), "trap", "monitor T", "demonitor", "link T", "name N",
 * "unname N", "control JSON", "ask T" and "ask_wait T" (a request to another).
 */
#ifndef OTPD_UNIT_OTP_RIG_H
#define OTPD_UNIT_OTP_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libotp/otp.h"
#include "wire/frame.h"

struct rig {
	pid_t		 pid;
	char		 dir[32];	/* of the sockets */
	char		 socket[64];
	char		*log;		/* shared; words separated by spaces */
	struct otp	*o;		/* a caller */
	int		 engine;	/* the other end of its link, or -1 */
};

/* argument is what init does: NULL or as a request, "ignore", "nap MS". */
void	rig_start(struct rig *r, const char *argument);
/* The same under an engine which the test plays. */
void	rig_start_linked(struct rig *r, const char *argument);
void	rig_start_with(struct rig *r, const char *argument, bool linked,
	    const struct otp_options *options,
	    const struct otp_gen_server_ops *ops);
void	rig_await_socket(struct rig *r);	/* it listens */
void	rig_end(struct rig *r);
int	rig_exit(struct rig *r);	/* wait for its end: exit code, 128+N */
/* Call it; the reply is to be freed, NULL and *out_error when it failed. */
char	*rig_call(struct rig *r, const char *request, int *out_error);
/* A call that is answered "ok". */
void	rig_ok(struct rig *r, const char *request);
void	rig_await(struct rig *r, const char *words);	/* in the log */
int	rig_count(const struct rig *r, const char *words);
uint64_t rig_now_ms(void);

/* Bytes as anybody might send them. */
int	raw_connect(const char *path);		/* nothing said */
int	raw_open(const char *path);		/* HELLO both ways */
void	raw_hello(int fd);
void	raw_send(int fd, uint8_t type, uint8_t flags, uint16_t tag,
	    uint64_t ref, const char *payload);
/* The next frame but HELLO; payload is the caller's to free. False: the end,
 * or nothing for 5 s. */
bool	raw_recv(int fd, struct frame_header *h, char **payload);
/* The next frame of this type whose payload has these words. */
void	raw_expect(int fd, uint8_t type, const char *words,
	    struct frame_header *out);
bool	raw_ended(int fd);		/* within 5 s */

#endif /* OTPD_UNIT_OTP_RIG_H */
