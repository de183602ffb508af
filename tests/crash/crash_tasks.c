/* SPDX-License-Identifier: ISC */
/*
 * Tasks that tell their owner; see crash_tasks.h.
 */
#include "crash/crash_tasks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#define PATH_HEAD	"tasks/task."

int
tasks_program(const char *dir, char *out, size_t size)
{
	const char *service = getenv("SERVICE");

	(void)snprintf(out, size, "%s/task.%d", dir, (int)getpid());
	if (service == NULL)
		return -1;
	return symlink(service, out) < 0 && errno != EEXIST ? -1 : 0;
}

pid_t
tasks_owner(const char *path)
{
	return strncmp(path, PATH_HEAD, strlen(PATH_HEAD)) != 0 ? 0 :
	    (pid_t)strtol(path + strlen(PATH_HEAD), NULL, 10);
}

/* false: there is none. */
static bool
end_one(struct otp *o, const cJSON *children)
{
	const cJSON *c;
	const char *id;
	char path[128], request[160], *reply = NULL;

	cJSON_ArrayForEach(c, children) {
		id = cJSON_GetStringValue(cJSON_GetObjectItem(c, "id"));
		(void)snprintf(path, sizeof(path), "tasks/%s", id);
		if (tasks_owner(path) != getpid())
			continue;
		(void)snprintf(request, sizeof(request), "{\"op\":"
		    "\"terminate_child\",\"sup\":\"tasks\",\"id\":\"%s\"}",
		    id);
		(void)otp_control(o, request, OTP_DEFAULT_TIMEOUT, &reply,
		    NULL);
		free(reply);
		return true;
	}
	return false;
}

void
tasks_tidy(struct otp *o)
{
	char *reply = NULL;
	bool again = true;
	cJSON *object;

	while (again && otp_control(o, "{\"op\":\"which_children\","
	    "\"sup\":\"tasks\"}", OTP_DEFAULT_TIMEOUT, &reply, NULL) == 0) {
		object = cJSON_Parse(reply);
		free(reply);
		reply = NULL;
		again = end_one(o, cJSON_GetObjectItem(object, "children"));
		cJSON_Delete(object);
	}
}
