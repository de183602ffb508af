/* SPDX-License-Identifier: ISC */
/*
 * A tree of specifications as text, one line a child with all that was read
 * of it, so that tests can compare trees and look for parts of a line.
 */
#ifndef OTPD_TESTS_CONFIG_RENDER_H
#define OTPD_TESTS_CONFIG_RENDER_H

#include "core/core.h"

/* Caller frees. */
char	*render_tree(const struct core_spec *root);

#endif /* OTPD_TESTS_CONFIG_RENDER_H */
