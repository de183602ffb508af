/* SPDX-License-Identifier: ISC */
/*
 * The journal in two memfds; see store.h.  Written with pwrite, not through a
 * mapping: a full memory is then an error and not a signal.
 */
#include "engine/store.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/crashpoint.h"
#include "engine/out.h"

#define STORE_MAGIC	0x31505453445450ffULL
#define STORE_COMMIT	1
#define CHECKPOINT_SLACK (256 * 1024)

struct slot_header {
	uint64_t	magic;
	uint32_t	version, crc;
	uint64_t	epoch;		/* the higher one counts */
};

struct record {
	uint32_t	len, crc;	/* crc of type, key and payload */
	uint64_t	key;
	uint32_t	type, pad;
};

struct store {
	int		fds[2];
	int		now;		/* the slot being written */
	uint64_t	epoch;
	uint64_t	size, checkpoint_size;
	uint64_t	batches;
	bool		checkpointing, failed;
	struct out	batch;
};

static uint32_t
crc_add(uint32_t crc, const void *data, size_t len)
{
	static const uint32_t nibbles[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c
	};
	const uint8_t *p = data;

	for (crc = ~crc; len-- > 0; p++) {
		crc = nibbles[(crc ^ *p) & 15] ^ (crc >> 4);
		crc = nibbles[(crc ^ (uint32_t)(*p >> 4)) & 15] ^ (crc >> 4);
	}
	return ~crc;
}

static uint32_t
record_crc(const struct record *r, const void *data)
{
	uint32_t crc = crc_add(0, &r->key, sizeof(r->key));

	crc = crc_add(crc, &r->type, sizeof(r->type));
	return crc_add(crc, data, r->len);
}

static size_t
padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

struct store *
store_new(int fd0, int fd1)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->fds[0] = fd0;
	s->fds[1] = fd1;
	s->now = 1;
	s->failed = true;	/* nothing stands yet: checkpoint first */
	return s;
}

void
store_free(struct store *s)
{
	out_done(&s->batch);
	free(s);
}

static int
read_all(int fd, char *p, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		n = pread(fd, p + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

/*
 * The whole slot in memory when its header is sound, or NULL.  -errno when it
 * cannot be read: that is not the same as its not being there.
 */
static int
slot_read(int fd, char **out, size_t *out_len, uint64_t *out_epoch)
{
	struct slot_header *h;
	struct stat st;
	char *p;
	int rc;

	*out = NULL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((size_t)st.st_size < sizeof(*h))
		return 0;
	p = xcalloc(1, (size_t)st.st_size);
	rc = read_all(fd, p, (size_t)st.st_size);
	h = (struct slot_header *)(void *)p;
	if (rc < 0 || h->magic != STORE_MAGIC || h->version != 1 ||
	    h->crc != crc_add(0, &h->epoch, sizeof(h->epoch))) {
		free(p);
		return rc;
	}
	*out_len = (size_t)st.st_size;
	*out_epoch = h->epoch;
	*out = p;
	return 0;
}

static const struct record *
record_at(const char *p, size_t len, size_t at)
{
	const struct record *r = (const void *)(p + at);

	if (len - at < sizeof(*r) || len - at - sizeof(*r) < padded(r->len) ||
	    r->crc != record_crc(r, r + 1))
		return NULL;
	return r;
}

/* Bytes up to and with the last commit, or the one before; 0 when there is
 * none. */
static size_t
committed(const char *p, size_t len, bool before)
{
	size_t at = sizeof(struct slot_header), end = 0, last = 0;
	const struct record *r;

	while (at < len && (r = record_at(p, len, at)) != NULL) {
		at += sizeof(*r) + padded(r->len);
		if (r->type == STORE_COMMIT) {
			last = end;
			end = at;
		}
	}
	return before && last > 0 ? last : end;
}

static int
record_order(const void *a, const void *b)
{
	const struct record *x = *(const struct record *const *)a;
	const struct record *y = *(const struct record *const *)b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int
hand_over(const char *p, size_t end, store_load_fn *fn, void *arg)
{
	const struct record **all = NULL, *r;
	uint32_t cap = 0, n = 0;
	int rc = 0;

	for (size_t at = sizeof(struct slot_header); at < end;
	    at += sizeof(*r) + padded(r->len)) {
		r = (const void *)(p + at);
		all = xgrow(all, &cap, n, sizeof(*all));
		all[n++] = r;
	}
	if (n > 0)
		qsort(all, n, sizeof(*all), record_order);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		r = all[i];
		if (r->type == STORE_COMMIT || r->len == 0 || (i + 1 < n &&
		    all[i + 1]->type == r->type && all[i + 1]->key == r->key))
			continue;
		rc = fn(arg, (enum store_type)r->type, r->key, r + 1, r->len);
	}
	free(all);
	return rc;
}

static int
load(struct store *s, bool before, store_load_fn *fn, void *arg)
{
	char *p[2];
	size_t len[2] = { 0, 0 };
	uint64_t epoch[2] = { 0, 0 };
	int best = -1, rc = 0;

	for (int i = 0; i < 2; i++) {
		rc = slot_read(s->fds[i], &p[i], &len[i], &epoch[i]);
		if (rc < 0 && i > 0)
			free(p[0]);
		if (rc < 0)
			return rc;
		if (p[i] == NULL)
			continue;
		len[i] = committed(p[i], len[i], before);
		if (len[i] > 0 && (best < 0 || epoch[i] > epoch[best]))
			best = i;
	}
	if (best >= 0) {
		s->now = best;
		s->epoch = epoch[best];
		rc = hand_over(p[best], len[best], fn, arg);
		if (rc == 0)
			rc = 1;
	}
	free(p[0]);
	free(p[1]);
	return rc;
}

int
store_load(struct store *s, store_load_fn *fn, void *arg)
{
	return load(s, false, fn, arg);
}

int
store_load_before(struct store *s, store_load_fn *fn, void *arg)
{
	return load(s, true, fn, arg);
}

void
store_put(struct store *s, enum store_type type, uint64_t key,
    const void *data, size_t len)
{
	static const char zeros[8];
	struct record r = { .len = (uint32_t)len, .key = key,
	    .type = (uint32_t)type };

	r.crc = record_crc(&r, data);
	out_bytes(&s->batch, &r, sizeof(r));
	out_bytes(&s->batch, data, len);
	out_bytes(&s->batch, zeros, padded(len) - len);
}

bool
store_wants_checkpoint(const struct store *s)
{
	return s->failed ||
	    s->size > 2 * s->checkpoint_size + CHECKPOINT_SLACK;
}

void
store_begin_checkpoint(struct store *s)
{
	struct slot_header h = { .magic = STORE_MAGIC, .version = 1,
	    .epoch = s->epoch + 1 };

	h.crc = crc_add(0, &h.epoch, sizeof(h.epoch));
	s->checkpointing = true;
	s->batch.len = 0;
	out_bytes(&s->batch, &h, sizeof(h));
}

static int
write_all(int fd, const char *p, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, p, crashpoint_part(len, 256), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		crashpoint();
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int
store_commit(struct store *s)
{
	int slot = s->checkpointing ? !s->now : s->now, rc = 0;
	uint64_t at = s->checkpointing ? 0 : s->size;

	if (s->batch.len == 0)
		return 0;
	store_put(s, (enum store_type)STORE_COMMIT, ++s->batches, "", 0);
	crashpoint();
	if (s->checkpointing && ftruncate(s->fds[slot], 0) < 0)
		rc = -errno;
	if (rc == 0)
		rc = write_all(s->fds[slot], s->batch.text, s->batch.len, at);
	if (rc == 0) {
		s->size = at + s->batch.len;
		if (s->checkpointing) {
			s->now = slot;
			s->epoch++;
			s->checkpoint_size = s->size;
		}
	}
	s->failed = rc < 0;
	s->checkpointing = false;
	s->batch.len = 0;
	if (s->batch.size > CHECKPOINT_SLACK)
		out_done(&s->batch);
	return rc;
}
