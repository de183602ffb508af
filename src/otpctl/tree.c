/* SPDX-License-Identifier: ISC */
/*
 * The tree that `otpctl status` shows: one line a child, columns aligned;
 * lines and colours on a terminal, indented words in a pipe.
 */
#include <stdlib.h>
#include <string.h>

#include "otpctl/node.h"

enum column { COL_NAME, COL_STATE, COL_WHAT, COL_UP, COL_RESTARTS, COL_NOTE,
	NCOLS };

struct line {
	struct node	 node;
	size_t		 up;		/* 1 + its supervisor's; 0: none */
	size_t		 depth;
	bool		 last;		/* of its siblings */
	size_t		 at[NCOLS + 1];	/* where its cells' texts begin */
	size_t		 width[NCOLS];
};

struct tree {
	struct line	*lines;
	size_t		 n;
	size_t		 width[NCOLS];
	const struct look *look;
	int64_t		 now;
	struct buf	 cells;		/* the texts of all cells */
	bool		 hidden[NCOLS];	/* for want of room */
	bool		*open;		/* by depth: a sibling follows below */
};

/* Is a above b?  Paths are ids joined by '/', the root's is "/". */
static bool
above(const char *a, const char *b)
{
	size_t n = strlen(a);

	if (strcmp(a, "/") == 0)
		return strcmp(b, "/") != 0;
	return strncmp(a, b, n) == 0 && b[n] == '/';
}

/* Depths by a walk down, "last of its siblings" by a walk up. */
static void
tree_shape(struct tree *t)
{
	size_t i, up;

	for (i = 0; i < t->n; i++) {
		struct line *line = &t->lines[i];

		up = i;
		while (up != 0 && !above(t->lines[up - 1].node.path,
		    line->node.path))
			up = t->lines[up - 1].up;
		line->up = up;
		line->depth = up != 0 ? t->lines[up - 1].depth + 1 : 0;
	}
	for (i = t->n; i-- > 0;) {
		struct line *line = &t->lines[i];

		line->last = !t->open[line->depth];
		t->open[line->depth] = true;
		t->open[line->depth + 1] = false;
	}
}

static size_t
branch_width(const struct tree *t, size_t depth)
{
	if (!t->look->terminal)
		return depth * 2;
	return depth * 3 + 2;		/* with the mark */
}

static void
put_branch(struct tree *t, struct buf *b, const struct line *line)
{
	const struct state_look *sl = node_look(line->node.state);
	bool utf8 = t->look->utf8;
	size_t d;

	if (!t->look->terminal) {
		buf_pad(b, line->depth * 2);
		return;
	}
	if (line->depth > 0)
		buf_puts(b, look_tint(t->look, TINT_DIM));
	for (d = 1; d < line->depth; d++)
		buf_puts(b, !t->open[d] ? "   " : utf8 ? "│  " : "|  ");
	if (line->depth > 0) {
		buf_puts(b, line->last ? utf8 ? "└─ " : "`- " :
		    utf8 ? "├─ " : "|- ");
		buf_puts(b, look_plain(t->look));
	}
	t->open[line->depth] = !line->last;
	buf_printf(b, "%s%s%s ", look_tint(t->look, sl->tint),
	    utf8 ? sl->mark : sl->ascii, look_plain(t->look));
}

static void
cell_what(struct buf *b, const struct node *n)
{
	if (n->supervisor)
		buf_text(b, n->strategy != NULL ? n->strategy : "supervisor");
	else if (n->pid > 0)
		buf_printf(b, "pid %lld", (long long)n->pid);
	else
		buf_puts(b, "-");
}

static void
cell_up(struct buf *b, const struct node *n)
{
	if (n->uptime_ms < 0 || n->state == NODE_STOPPED ||
	    n->state == NODE_FAILED || n->state == NODE_BACKOFF) {
		buf_puts(b, "-");
		return;
	}
	buf_puts(b, "up ");
	look_span(b, n->uptime_ms, false);
}

static void
cell_restarts(struct buf *b, const struct node *n)
{
	if (n->supervisor)
		node_budget(b, n);
	else
		buf_printf(b, "%lld %s", (long long)n->restarts,
		    n->restarts == 1 ? "restart" : "restarts");
}

static void
note_exit(struct buf *b, const struct node *n, int64_t now)
{
	int64_t at = n->last_at != NULL ? look_time(n->last_at) : -1;

	buf_puts(b, "last exit");
	if (at >= 0) {
		buf_puts(b, " ");
		look_span(b, now - at, false);
		buf_puts(b, " ago");
	}
	buf_puts(b, ": ");
	node_reason(b, n->last_reason);
}

/* What else there is to know, most urgent first, parted by semicolons. */
static void
cell_note(struct buf *b, const struct node *n, int64_t now)
{
	const char *sep = "";

	if (n->problem != NULL) {
		buf_text(b, n->problem);
		sep = "; ";
	}
	if (n->held) {
		buf_printf(b, "%sheld by an operator", sep);
		sep = "; ";
	}
	if (n->state == NODE_BACKOFF && n->retry_in_ms >= 0) {
		buf_printf(b, "%sretry in ", sep);
		look_span(b, n->retry_in_ms, true);
		sep = "; ";
	}
	if (n->killed_in_ms >= 0) {
		buf_puts(b, sep);
		node_limit(b, n);
		sep = "; ";
	}
	if (!n->supervisor && n->state == NODE_RUNNING && n->pid <= 0) {
		buf_printf(b, "%sended, waits for its supervisor", sep);
		sep = "; ";
	}
	if (n->supervisor && n->state == NODE_RUNNING &&
	    n->active < n->children) {
		buf_printf(b, "%s%lld of %lld children active", sep,
		    (long long)n->active, (long long)n->children);
		sep = "; ";
	}
	if (n->last_reason != NULL) {
		buf_puts(b, sep);
		note_exit(b, n, now);
	}
}

static void
make_cell(struct tree *t, const struct line *line, enum column col)
{
	const struct node *n = &line->node;

	switch (col) {
	case COL_NAME:
		buf_text(&t->cells, line->depth == 0 ? n->path : n->id);
		break;
	case COL_STATE:
		buf_text(&t->cells, n->state_word);
		break;
	case COL_WHAT:
		cell_what(&t->cells, n);
		break;
	case COL_UP:
		cell_up(&t->cells, n);
		break;
	case COL_RESTARTS:
		cell_restarts(&t->cells, n);
		break;
	case COL_NOTE:
		cell_note(&t->cells, n, t->now);
		break;
	case NCOLS:
	default:
		break;
	}
}

/* All texts, once; and how wide the columns have to be. */
static void
tree_fill(struct tree *t)
{
	struct line *line;
	size_t i, w;
	int col;

	for (i = 0; i < t->n; i++) {
		line = &t->lines[i];
		for (col = 0; col < NCOLS; col++) {
			line->at[col] = t->cells.len;
			make_cell(t, line, (enum column)col);
			w = t->cells.len == line->at[col] ? 0 :
			    buf_width(t->cells.data + line->at[col],
			    t->cells.len - line->at[col]);
			if (col == COL_NAME)
				w += branch_width(t, line->depth);
			line->width[col] = w;
			if (w > t->width[col])
				t->width[col] = w;
		}
		line->at[NCOLS] = t->cells.len;
	}
}

static enum tint
cell_tint(const struct node *n, enum column col)
{
	switch (col) {
	case COL_NAME:
		return n->supervisor ? TINT_BOLD : TINT_NONE;
	case COL_STATE:
		return node_look(n->state)->tint;
	case COL_RESTARTS:
		if (n->supervisor)
			return n->recent > 0 ? TINT_BUSY : TINT_DIM;
		return n->restarts > 0 ? TINT_BUSY : TINT_DIM;
	case COL_NOTE:
		return n->state == NODE_FAILED || n->problem != NULL ?
		    TINT_BAD : TINT_NONE;
	case COL_WHAT:
	case COL_UP:
	case NCOLS:
	default:
		return TINT_NONE;
	}
}

static void
put_cell(struct tree *t, struct buf *b, const struct line *line,
    enum column col, size_t room)
{
	enum tint tint = cell_tint(&line->node, col);
	size_t start;

	if (tint != TINT_NONE)
		buf_puts(b, look_tint(t->look, tint));
	start = b->len;
	buf_add(b, t->cells.data + line->at[col],
	    line->at[col + 1] - line->at[col]);
	if (line->width[col] > room)
		buf_cut(b, start, room, t->look->utf8 ? "…" : "~");
	if (tint != TINT_NONE)
		buf_puts(b, look_plain(t->look));
	if (col < COL_NOTE)
		buf_pad(b, t->width[col] - line->width[col]);
}

/* A column in which nobody has anything to say, or for which there is no
 * room. */
static bool
empty_column(const struct tree *t, enum column col)
{
	return t->hidden[col] ||
	    (t->width[col] <= 1 && (col == COL_WHAT || col == COL_UP));
}

static size_t
columns_used(const struct tree *t)
{
	size_t used = 0;
	int col;

	for (col = 0; col < COL_NOTE; col++)
		if (!empty_column(t, (enum column)col))
			used += t->width[col] + 2;
	return used;
}

/* What can be missed first goes first on a terminal that is too narrow. */
static void
hide_columns(struct tree *t)
{
	static const enum column order[] = { COL_UP, COL_WHAT, COL_RESTARTS };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]) && t->look->width > 0
	    && columns_used(t) > t->look->width + 2; i++)
		t->hidden[order[i]] = true;
}

/* Columns of a terminal that are left for notes; SIZE_MAX: no limit. */
static size_t
note_room(const struct tree *t)
{
	size_t used = columns_used(t);

	if (t->look->width == 0)
		return SIZE_MAX;
	return t->look->width > used ? t->look->width - used : 0;
}

/* A note that does not fit: below, the tree's lines drawn on. */
static void
put_note_below(struct tree *t, struct buf *b, const struct line *line)
{
	const char *bar = t->look->utf8 ? "│  " : "|  ";
	bool parent = line + 1 < t->lines + t->n &&
	    line[1].depth > line->depth;
	size_t d, indent = line->depth * 3 + 5;

	buf_puts(b, "\n");
	buf_puts(b, look_tint(t->look, TINT_DIM));
	for (d = 1; d <= line->depth; d++)
		buf_puts(b, t->open[d] ? bar : "   ");
	buf_puts(b, parent ? bar : "   ");
	buf_puts(b, look_plain(t->look));
	buf_puts(b, "  ");
	put_cell(t, b, line, COL_NOTE, t->look->width > indent ?
	    t->look->width - indent : 1);
}

static void
trim(struct buf *b, size_t start)
{
	while (b->len > start && b->data[b->len - 1] == ' ')
		b->len--;
}

static void
put_line(struct tree *t, struct buf *b, const struct line *line, size_t room)
{
	size_t start = b->len, w;
	int col;

	put_branch(t, b, line);
	for (col = 0; col < COL_NOTE; col++) {
		if (empty_column(t, (enum column)col))
			continue;
		put_cell(t, b, line, (enum column)col, SIZE_MAX);
		buf_puts(b, "  ");
	}
	w = line->width[COL_NOTE];
	if (w > 0 && w <= room) {
		put_cell(t, b, line, COL_NOTE, room);
	} else {
		trim(b, start);
		if (w > 0)
			put_note_below(t, b, line);
	}
	trim(b, start);
	buf_puts(b, "\n");
}

static void
show(struct buf *b, const struct look *l, const cJSON *children, int64_t now,
    bool as_tree)
{
	struct tree t = { .look = l, .now = now };
	size_t i = 0, room;
	const cJSON *o;

	t.n = (size_t)cJSON_GetArraySize(children);
	t.lines = calloc(t.n + 1, sizeof(*t.lines));
	t.open = calloc(t.n + 2, sizeof(*t.open));
	if (t.lines == NULL || t.open == NULL)
		abort();
	cJSON_ArrayForEach(o, children)
		node_read(o, &t.lines[i++].node);
	if (as_tree)
		tree_shape(&t);
	tree_fill(&t);
	hide_columns(&t);
	memset(t.open, 0, (t.n + 2) * sizeof(*t.open));
	room = note_room(&t);
	for (i = 0; i < t.n; i++)
		put_line(&t, b, &t.lines[i], room);
	buf_done(&t.cells);
	free(t.open);
	free(t.lines);
}

void
tree_show(struct buf *b, const struct look *l, const cJSON *children,
    int64_t now)
{
	show(b, l, children, now, true);
}

void
list_show(struct buf *b, const struct look *l, const cJSON *children,
    int64_t now)
{
	show(b, l, children, now, false);
}
