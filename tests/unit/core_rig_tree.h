/* SPDX-License-Identifier: ISC */
/* Trees as text: see core_rig.h. */
#ifndef OTPD_TESTS_UNIT_CORE_RIG_TREE_H
#define OTPD_TESTS_UNIT_CORE_RIG_TREE_H

#include "core/core.h"

/* The user of every specification that is parsed. */
struct rig_user {
	struct rig_user	*next;		/* of all there are */
	unsigned	 version;
	unsigned	 slow_ms;
	bool		 ignores;
	const char	*how;		/* it ends when it is asked to */
	bool		 freed;		/* the core gave it back */
};

/* users gets every user; NULL at the end of the text. */
struct core_spec *rig_tree(const char **text, struct rig_user **users);
void	rig_tree_free(struct core_spec *spec);
bool	rig_tree_same(const void *a, const void *b, enum core_same what);

#endif /* OTPD_TESTS_UNIT_CORE_RIG_TREE_H */
