/* SPDX-License-Identifier: ISC */
/*
 * gen_server children: each has a listening socket that outlives its
 * incarnations, and each incarnation a link to the engine.  Who speaks on a
 * link is known by the link itself, never by what is said.
 */
#ifndef OTPD_ENGINE_WORKER_H
#define OTPD_ENGINE_WORKER_H

#include "engine/engine.h"
#include "wire/frame.h"

struct letter;
struct peer;

struct worker {			/* while the child has a socket or a link */
	struct engine	*engine;
	uint32_t	 slot;
	struct peer	*link;		/* NULL: none */
	uint64_t	 link_handle;
	bool		 listening;
	bool		 dirty;		/* the link has something to send */
	bool		 again;		/* it was asked to say all again */
	bool		 read;		/* in this turn */
	bool		 repeats;	/* it may say what was heard already */
	uint16_t	 saved;		/* as child.heard, in the snapshot */
	uint32_t	 missed;	/* messages, since it heard the last */
	struct letter	*letters;	/* not yet with the kernel */
	struct letter	**letters_end;	/* where the next goes, behind some */
};

/* What the spawner holds for one, by this number in its key. */
enum worker_held {
	WORKER_THEIRS,		/* the worker's end of the link */
	WORKER_SOCKET,		/* its listening socket */
	WORKER_OURS		/* the engine's end of the link */
};

/* Callers over a link are told apart from those of the control socket. */
#define LINK_PEER	(1ULL << 63)

/*
 * Give the next incarnation its socket and a new link; *out_fd_key is what its
 * start order is to name.  0, or -errno with *out_words saying what failed;
 * -EEXIST when *out_holder has its name.
 */
int	worker_prepare(struct engine *e, uint32_t slot, uint64_t *out_fd_key,
	    const char **out_words, uint32_t *out_holder);
/* --- hear.c --- */
/* Handle every whole frame; false when the link has come to its end. */
bool	worker_hear(struct engine *e, uint32_t slot);
/* What it said last. */
void	worker_drain(struct engine *e, uint32_t slot);
/* What was heard in this turn is part of what is about to be saved, */
void	workers_save_heard(struct engine *e);
/* and was: it need not come again. */
void	workers_heard(struct engine *e);

void	worker_close_link(struct engine *e, uint32_t slot);
void	worker_free(struct engine *e, uint32_t slot);
/* An exit signal as a frame, to one that traps; false: it does not. */
bool	worker_exit_signal(struct engine *e, uint32_t slot, const char *from,
	    const char *reason, bool link);
/* The same from its supervisor. */
bool	worker_shutdown(struct engine *e, uint32_t slot);
/* One frame that fits; false: the link was lost over it. */
bool	worker_put(struct engine *e, uint32_t slot,
	    const struct frame_header *h, const void *payload);
/* struct worker of a slot, made when there is none. */
struct worker *worker_make(struct engine *e, uint32_t slot);
void	worker_send(struct engine *e, uint32_t slot, uint8_t type,
	    uint64_t ref, const char *payload, size_t len);
/*
 * A message that it did not ask for.  While more than max waits for it, it
 * misses some; {"event":"lost","count":N} says later how many.  The next
 * engine says so, too, with a count of 0, when this one ends before all that
 * waits has left it.
 */
void	worker_tell(struct engine *e, uint32_t slot, const char *payload,
	    size_t len, size_t max);
/* It has a process, of which the spawner's word may still be on its way. */
bool	worker_is_there(struct engine *e, uint32_t slot);
/* Of that process; until the spawner's word is there, as it says itself.  0:
 * there is none. */
int32_t	worker_pid(struct engine *e, uint32_t slot);
/* The longest payload that it surely takes. */
size_t	worker_room(struct engine *e, uint32_t slot);
void	worker_flush_all(struct engine *e);
/* After a restore: what the spawner held for workers is theirs again. */
void	worker_resume_all(struct engine *e);
/* The same for one slot, whose worker_key was just learnt. */
void	worker_adopt(struct engine *e, uint32_t slot);
uint64_t worker_held_key(const struct child *c, enum worker_held which);
bool	worker_key_is(uint64_t key);
bool	worker_is_link(server_peer peer);
uint32_t worker_slot(server_peer peer);

/* --- listen.c: its listening socket --- */
int	worker_listen(struct engine *e, uint32_t slot);	/* 0 or -errno */
/* It will not run again by itself: nobody is to wait there. */
void	worker_unlisten(struct engine *e, uint32_t slot);
/* Does its name lead to a socket that somebody has?  An engine that died may
 * have unlinked it, or made another, and not told the spawner. */
bool	worker_is_reachable(struct engine *e, uint32_t slot);

/* --- letters.c: what a worker is told whatever happens --- */
/* Takes the place of a ref in EXIT; false: there is nobody to tell. */
bool	letter_send(struct engine *e, uint32_t slot, struct frame_header h,
	    const char *payload);
/* The kernel has them, or nobody waits for them any more. */
void	letters_gone(struct engine *e, uint32_t slot);
/* Those that an engine before may not have sent. */
void	letters_resume(struct engine *e, uint32_t slot);
void	letters_save_all(struct engine *e);
void	letter_restore(struct engine *e, uint64_t number, const char *record,
	    size_t len);

/* --- names.c --- */
bool	name_valid(const char *name);
/* 0, -EEXIST with *out_holder, -EDQUOT: it has as many as one may. */
int	name_register(struct engine *e, uint32_t slot, const char *name,
	    uint32_t *out_holder);
/* Of this holder only: 0 or -ENOENT. */
int	name_unregister(struct engine *e, uint32_t slot, const char *name);
uint32_t name_whereis(struct engine *e, const char *name);
/* All but `keep` (may be NULL) of the holder's. */
void	names_drop(struct engine *e, uint32_t slot, const char *keep);
void	names_save_all(struct engine *e);
void	name_restore(struct engine *e, uint64_t key, const char *record,
	    size_t len);

/* --- watch.c: monitors and links --- */
/* A name, a path, pid:N or via:... of something alive; or CORE_NONE. */
uint32_t watch_target(struct engine *e, const char *target);
void	watch_monitor(struct engine *e, uint32_t slot, uint64_t ref,
	    const char *target);
void	watch_demonitor(struct engine *e, uint32_t slot, uint64_t ref);
void	watch_link(struct engine *e, uint32_t slot, const char *target);
void	watch_unlink(struct engine *e, uint32_t slot, const char *target);
void	watch_exit(struct engine *e, uint32_t slot, const char *target,
	    const char *reason);
/* It has ended: everybody who watches hears of it, and it watches no more. */
void	watch_ended(struct engine *e, uint32_t slot, const char *reason);
/* The order for an exit signal may have ended with the engine before. */
void	watch_signal_again(struct engine *e, uint32_t slot);
void	watches_save_all(struct engine *e);
void	watch_restore(struct engine *e, uint64_t key, const char *record,
	    size_t len);

#endif /* OTPD_ENGINE_WORKER_H */
