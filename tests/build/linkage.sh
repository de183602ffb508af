#!/bin/sh
# SPDX-License-Identifier: ISC
# Who may use what: otpd links libc only, and the core calls nothing but
# memory and string functions.
. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

# needs PROGRAM: the libraries it is linked with.
needs() {
	"$READELF" -d "$OTPD_BUILDDIR/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# The sanitizers bring libraries and functions of their own.  NM may be a
# command with options.
sanitized() {
	$NM "$1" 2>/dev/null | grep -q '__asan_init\|__asan_report'
}

otpd_links_libc_only() {
	if [ -z "$READELF" ]; then
		skip "otpd links libc only: no readelf"
	elif ! [ -x "$OTPD_BUILDDIR/otpd" ]; then
		fail "there is no otpd to look at"
	elif sanitized "$OTPD_BUILDDIR/otpd"; then
		skip "otpd links libc only: built with sanitizers"
	else
		more=$(needs otpd | grep -v '^libc\.\|^ld-\|^ld64\.')
		if [ -z "$more" ]; then
			pass "otpd links libc only"
		else
			fail "otpd is linked with $(echo "$more" | tr "\n" " ")"
		fi
	fi
}

# The names that the core's objects want from outside, beside each other's.
core_wants() {
	objs=$(find "$OTPD_BUILDDIR/src/core" -name '*.o')
	# shellcheck disable=SC2086 # a list
	$NM -u $objs | awk 'NF == 2 { print $2 }' | sort -u > "$tmp/wants"
	# shellcheck disable=SC2086
	$NM --defined-only $objs | awk 'NF == 3 { print $3 }' | sort -u \
	    > "$tmp/has"
	[ -s "$tmp/has" ] || echo "unknown-functions"
	comm -23 "$tmp/wants" "$tmp/has"
}

core_is_pure() {
	if [ -z "$NM" ]; then
		skip "the core is pure: no nm"
		return
	fi
	obj=$(find "$OTPD_BUILDDIR/src/core" -name '*.o' | head -n 1)
	if [ -z "$obj" ]; then
		fail "there is no core to look at"
		return
	fi
	if sanitized "$obj"; then
		skip "the core is pure: built with sanitizers"
		return
	fi
	# Checks that the compiler adds come as __x_chk and friends.
	more=$(core_wants | grep -Ev '^(__)?(mem|str)[a-z]+(_chk)?$' |
	    grep -Evx 'malloc|calloc|realloc|reallocarray|free|abort|qsort|bsearch' |
	    grep -Evx '__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_')
	if [ -z "$more" ]; then
		pass "the core calls memory and string functions only"
	else
		fail "the core calls $(echo "$more" | tr "\n" " ")"
	fi
}

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
otpd_links_libc_only
core_is_pure
finish
