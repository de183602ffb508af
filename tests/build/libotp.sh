#!/bin/sh
# SPDX-License-Identifier: ISC
# libotp as its users see it: otp_* and nothing else, no threads, libc only, and
# no libc but what musl has, too.
. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

lib=$OTPD_BUILDDIR/.libs/libotp.so
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# none WHAT: nothing was found.
none() {
	found=$(cat "$tmp/found")
	if [ -z "$found" ]; then
		pass "$1"
	else
		fail "$1: $(echo "$found" | tr '\n' ' ')"
	fi
}

defined() {
	$NM -D --defined-only "$lib" | awk '{ print $NF }'
}

wanted() {
	$NM -D --undefined-only "$lib" | awk '{ sub("@.*", "", $NF); print $NF }'
}

exports_otp_only() {
	defined | grep -v '^OTP_[0-9]*$' | grep -v '^otp_' > "$tmp/found"
	none "it exports otp_* only"
	defined | grep -c '^otp_.*@@OTP_' > "$tmp/n"
	if [ "$(cat "$tmp/n")" -gt 50 ]; then
		pass "what it exports has a version"
	else
		fail "only $(cat "$tmp/n") of its functions have a version"
	fi
}

uses_no_threads() {
	wanted | grep '^pthread_\|^thrd_\|^mtx_\|^__clone\|^clone' > "$tmp/found"
	none "it starts no thread"
}

# Words for people are otp_strerror's: the program decides what is printed.
prints_nothing() {
	wanted | grep -x 'printf\|puts\|putchar\|perror\|syslog\|err\|warn\|abort' \
	    > "$tmp/found"
	none "it prints nothing and never aborts"
}

needs_libc_only() {
	if $NM "$lib" | grep -q '__asan_init\|__asan_report'; then
		skip "it needs libc only: built with sanitizers"
		return
	fi
	"$READELF" -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	    grep -v '^libc\.\|^ld-\|^ld64\.' > "$tmp/found"
	none "it needs libc only"
}

# Each source, and then all of it linked with nothing left undefined.
builds_with_musl() {
	if ! command -v musl-gcc > /dev/null; then
		skip "it builds with musl: no musl-gcc"
		return
	fi
	: > "$tmp/found"
	for f in $LIBOTP_SOURCES; do
		case $f in
		*.c)	;;
		*)	continue ;;
		esac
		musl-gcc -std=gnu11 -D_GNU_SOURCE -DLIBEXECDIR='"/x"' -fPIC \
		    -Wall -Wextra -Werror -I"$OTPD_SRCDIR/src" \
		    -I"$OTPD_BUILDDIR" -c "$OTPD_SRCDIR/$f" \
		    -o "$tmp/$(echo "$f" | tr / _).o" 2>> "$tmp/err" ||
		    echo "$f" >> "$tmp/found"
	done
	musl-gcc -shared -Wl,-z,defs -o "$tmp/libotp.so" "$tmp"/*.o \
	    -Wl,--version-script="$OTPD_SRCDIR/src/libotp/libotp.map" \
	    2>> "$tmp/err" || echo "the link" >> "$tmp/found"
	[ ! -s "$tmp/found" ] || head -20 "$tmp/err"
	none "it builds with musl"
}

if [ -z "$NM" ] || [ -z "$READELF" ] || ! [ -e "$lib" ]; then
	skip "no shared libotp, or no nm and readelf to look at it"
else
	exports_otp_only
	uses_no_threads
	prints_nothing
	needs_libc_only
fi
builds_with_musl
finish
