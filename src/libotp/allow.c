/* SPDX-License-Identifier: ISC */
/*
 * Who may call: the same user and root, and those of OTP_ALLOW, written as
 * "uid:33 gid:44".  Decided on what the kernel says of the connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libotp/serve.h"

#define GROUPS_MAX	256
#define TOLD_NS		(60 * OTPI_NSEC)

static int
add(struct otpi_server *s, const char *word, size_t len)
{
	bool user = strncmp(word, "uid:", 4) == 0;
	unsigned long id;
	char *end;

	if (len < 5 || (!user && strncmp(word, "gid:", 4) != 0) ||
	    word[4] < '0' || word[4] > '9')
		return -EINVAL;
	errno = 0;
	id = strtoul(word + 4, &end, 10);
	if (errno != 0 || end != word + len || id >= UINT32_MAX)
		return -EINVAL;
	if ((user ? s->nuids : s->ngids) == OTPI_IDS_MAX)
		return -E2BIG;
	if (user)
		s->uids[s->nuids++] = (uint32_t)id;
	else
		s->gids[s->ngids++] = (uint32_t)id;
	return 0;
}

int
otpi_allow_parse(struct otpi_server *s, const char *text)
{
	size_t len;
	int rc = 0;

	while (rc == 0 && *(text += strspn(text, " ")) != '\0') {
		len = strcspn(text, " ");
		rc = add(s, text, len);
		text += len;
	}
	return rc;
}

static bool
has(const uint32_t *ids, uint32_t n, uint32_t id)
{
	for (uint32_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

bool
otpi_allowed(const struct otpi_server *s, int fd, uid_t *out_uid,
    int32_t *out_pid)
{
	gid_t groups[GROUPS_MAX];
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*out_uid = (uid_t)-1;
	*out_pid = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	*out_uid = cred.uid;
	*out_pid = cred.pid;
	if (cred.uid == 0 || cred.uid == geteuid() ||
	    has(s->uids, s->nuids, cred.uid))
		return true;
	if (s->ngids == 0)
		return false;
	if (has(s->gids, s->ngids, cred.gid))
		return true;
	len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (has(s->gids, s->ngids, groups[i]))
			return true;
	return false;
}

bool
otpi_refusal_is_news(struct otpi_server *s, uid_t uid)
{
	uint64_t now = otpi_now();
	int room = -1;

	for (int i = 0; i < OTPI_TOLD_MAX; i++) {
		bool recent = s->told[i].at != 0 &&
		    now - s->told[i].at < TOLD_NS;

		if (recent && s->told[i].uid == uid)
			return false;
		if (!recent)
			room = i;
	}
	if (room < 0)
		return false;		/* whoever tries with many */
	s->told[room].uid = uid;
	s->told[room].at = now;
	return true;
}
