#!/bin/sh
# SPDX-License-Identifier: ISC
# Every header says itself what it needs: each is compiled alone.
. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
cd "$OTPD_SRCDIR/src" || exit 99

for h in */*.h; do
	printf '#include "%s"\n#include "%s"\nint compiled;\n' "$h" "$h" \
	    > "$tmp/alone.c"
	# shellcheck disable=SC2086 # CC may carry options
	if ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -I"$OTPD_BUILDDIR" ${OTPD_CPPFLAGS-} \
	    -Wall -Wextra -fsyntax-only "$tmp/alone.c" 2> "$tmp/err" &&
	    ! [ -s "$tmp/err" ]; then
		pass "$h compiles alone, and twice"
	else
		cat "$tmp/err"
		fail "$h does not compile alone"
	fi
done
finish
