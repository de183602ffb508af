/* SPDX-License-Identifier: ISC */
/*
 * What the files of src/core offer each other.  Everything that may let a
 * supervisor go on only puts it on the work list; sup_work() does the rest.
 */
#ifndef OTPD_CORE_PARTS_H
#define OTPD_CORE_PARTS_H

#include "core/state.h"

/* action.c */
struct core_action *act_add(struct core *c, enum core_act act,
	    const struct child *ch);
void	act_free(struct core *c, const struct child *ch, void *user);
struct core_action *act_tell(struct core *c, const struct child *ch,
	    enum core_tell tell);
void	act_arm(struct core *c, struct child *ch, uint32_t ms);
void	act_disarm(struct core *c, struct child *ch);
void	act_group_arm(struct core *c, struct sup *s, uint32_t ms);
void	act_group_disarm(struct core *c, struct sup *s);
struct core_action *act_reply(struct core *c, uint64_t call,
	    enum core_result result, uint32_t slot);
uint64_t act_inc(const struct child *ch);

/* slot.c: children come and go */
void	*core_alloc(size_t size);	/* zeroed; never NULL */
void	*core_grow(void *array, size_t n, size_t size);
struct child *slot_build(struct core *c, const struct core_spec *spec);
void	slot_fill(struct child *ch, const struct core_spec *spec);
void	slot_fill_instance(const struct sup *s, struct child *ch);
void	slot_fill_sup(struct core *c, struct sup *s,
	    const struct core_spec *spec);
void	slot_fix(struct sup *s, struct child *ch);	/* append to the spec */
void	slot_free_tree(struct core *c, struct child *top);
void	slot_bury(struct core *c);	/* once the actions are cleared */
void	slot_delete(struct child *ch);	/* memory only */
void	slot_place(struct core *c, struct child *ch, uint32_t slot);
uint32_t slot_number(struct core *c);
void	slot_number_free(struct core *c, uint32_t slot);
struct child *slot_orphan(struct core *c, const struct core_spec *spec);

struct todo {			/* a stack of supervisors to go through */
	struct { struct child *ch; const struct core_spec *spec; } *items;
	size_t	 n, cap;
};
void	todo_push(struct todo *t, struct child *ch,
	    const struct core_spec *spec);
bool	todo_pop(struct todo *t, struct child **out_ch,
	    const struct core_spec **out_spec);

/* index.c */
void	index_add(struct core *c, struct child *ch);
void	index_clear(struct core *c);
void	index_remove(struct core *c, struct child *ch);
struct child *index_listed(const struct core *c, const struct sup *s,
	    const char *id);
struct child *index_fixed(const struct core *c, const struct sup *s,
	    const char *id);
bool	index_taken(const struct core *c, const struct sup *s,
	    const char *id);

/* tree.c: lists, walks and states */
void	tree_append(struct core *c, struct sup *s, struct child *ch);
void	tree_relink(struct sup *s, struct child *ch);
void	tree_list_all(struct core *c);
void	tree_unlist(struct core *c, struct child *ch);
void	tree_drop(struct core *c, struct child *ch);	/* told; may free it */
void	tree_relist(struct core *c, struct sup *s, bool keep_dynamic);
void	tree_tell(struct core *c, struct child *top, enum core_tell tell);
struct child *tree_deepest(struct child *top);
struct child *tree_next(struct child *ch, struct child *top);
void	child_set(struct core *c, struct child *ch, enum core_state state);
void	child_unread(struct core *c, struct child *ch, bool unread);
void	child_significant(struct core *c, struct child *ch,
	    bool significant);
void	child_count(struct core *c, const struct child *ch);
void	child_dirty(struct core *c, struct child *ch);
bool	child_lives(const struct child *ch);
bool	sup_at_run_time(const struct sup *s);

/* mailbox.c */
void	mbox_post(struct core *c, struct sup *s, struct msg *m);
void	mbox_insert(struct sup *s, struct msg *m);	/* by its seq */
void	mbox_remove(struct sup *s, struct msg *m);
struct msg *mbox_take(struct sup *s);
void	mbox_close(struct core *c, struct sup *s);	/* noproc for all */

/* start.c, stop.c: one child */
void	child_start(struct core *c, struct child *ch);
void	child_start_done(struct core *c, struct child *ch,
	    enum outcome outcome);
bool	child_stop(struct core *c, struct child *ch);	/* is it stopped? */
void	child_cancel_retry(struct core *c, struct child *ch);
void	child_gone(struct core *c, struct child *ch);
void	child_kill(struct core *c, struct child *ch);
void	child_kill_process(struct core *c, struct child *ch);
void	group_stop(struct core *c, struct sup *s);
void	group_kill(struct core *c, struct sup *s);

/* sup.c: one supervisor */
void	sup_wake(struct core *c, struct sup *s);
void	sup_work(struct core *c);
void	sup_phase(struct core *c, struct sup *s, enum phase phase);
void	sup_idle(struct core *c, struct sup *s);
void	sup_init(struct core *c, struct sup *s);
void	sup_ask_stop(struct core *c, struct sup *s);
void	sup_end(struct core *c, struct sup *s);
void	sup_ended(struct core *c, struct sup *s, bool killed);
void	sup_stops(struct core *c, struct sup *s, struct child *from);
void	sup_starts(struct core *c, struct sup *s, struct child *from);
void	sup_single(struct core *c, struct sup *s, struct child *ch,
	    enum phase phase);

/* rules.c: when a child ends, and how its restart goes */
void	rules_exit(struct core *c, struct sup *s, struct child *ch);
void	rules_note(struct core *c, struct sup *s, struct child *ch);
void	rules_retry(struct core *c, struct sup *s, struct child *ch);

/* call.c */
void	call_serve(struct core *c, struct sup *s, struct call *m);
void	call_stopped(struct core *c, struct sup *s, struct child *ch);
void	call_started(struct core *c, struct sup *s, struct child *ch,
	    enum outcome outcome);
void	call_done(struct core *c, struct sup *s, enum core_result result,
	    uint32_t slot);
void	call_refuse(struct core *c, struct call *m, enum core_result result);

/* reload.c */
void	reload_serve(struct core *c, struct sup *s);
void	reload_stopped(struct core *c, struct sup *s);
void	reload_forget(struct core *c, struct child *ch);
void	reload_done(struct core *c, struct sup *s);
void	reload_over(struct core *c, struct sup *s);

/* save.c, restore.c */
void	save_forget(struct core *c, uint32_t slot, uint32_t generation,
	    uint32_t lo, uint32_t hi);	/* its attempts in the store */
void	save_free(struct core *c);
void	restore_free(struct core *c);

#endif /* OTPD_CORE_PARTS_H */
