#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd links libc only.  What the core calls: tests/unit/core_is_pure.sh.
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

otpd_links_libc_only
finish
