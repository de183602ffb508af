/* SPDX-License-Identifier: ISC */
/* Children that are asked for while otpd runs, as a pool of workers is. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libotp/client.h"

static struct client *
connect_to(const struct subject *s, uint64_t deadline)
{
	struct client *c;
	char path[128];

	snprintf(path, sizeof(path), "%s/run/names/otpd", s->dir);
	while ((c = client_open(path, deadline)) == NULL) {
		if (now_ns() > deadline)
			die("otpd does not answer");
		sleep_us(1000);
	}
	return c;
}

void
pool_fill(const struct subject *s)
{
	uint64_t deadline = s->began_ns + (uint64_t)WAIT_S * 1000000000U;
	struct client *c = connect_to(s, deadline);
	char ask[128], *answer;
	uint16_t tag;
	size_t len;
	uint32_t i;

	for (i = 0; i < s->shape.n; i++) {
		snprintf(ask, sizeof(ask), "{\"op\":\"start_child\","
		    "\"sup\":\"pool\",\"spec\":{\"id\":\"c%u\","
		    "\"args\":[\"%u\"]}}", i, i);
		if (client_call(c, ask, strlen(ask), deadline, &answer,
		    &len) < 0)
			die("otpd refused: %s", client_error(c, &tag));
		if (strstr(answer, "started") == NULL)
			die("not started: %s", answer);
		free(answer);
	}
	client_close(c);
}
