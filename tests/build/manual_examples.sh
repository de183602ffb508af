#!/bin/sh
# SPDX-License-Identifier: ISC
# The pages of section 3 do not lie: every public function has one, and each
# example is extracted, compiled as ./example, and does what its page shows.
. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

if ! [ -x "$OTPD_BUILDDIR/otpctl" ] || ! [ -x "$OTPD_BUILDDIR/otpd" ]; then
	skip "programs are not built"
	finish
fi
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
PATH=$OTPD_BUILDDIR:$OTPD_BUILDDIR/contrib/examples:$PATH
OTP_LIBEXEC=$OTPD_BUILDDIR
export PATH OTP_LIBEXEC
# shellcheck disable=SC3045 # where it is unknown, a core lies in $tmp
ulimit -c 0 2>/dev/null
: "${OTPD_COMPILE:=${CC:-cc}}"

# block N PAGE: what is in the Nth literal display of its EXAMPLES.
block() {
	awk -v want="$1" '
	/^\.Sh / { inside = $2 == "EXAMPLES" }
	/^\.Bd -literal/ { n++; next }
	/^\.Ed/ { shown = n }
	inside && !first { first = n + 1 }
	inside && n > shown && n - first + 1 == want
	' "$2" | sed -e 's/^\\&//' -e 's/\\-/-/g' -e 's/\\e/\\/g'
}

# The commands of a session, with a wait for the server behind each "&": its
# socket, or otpd.  A here-document belongs to its command.
commands() {
	awk '
	here { print; here = $0 != "EOF"; next }
	!/^\$ / { next }
	{
		line = substr($0, 3)
		here = line ~ /<<EOF$/
		print line
	}
	line ~ /&$/ {
		at = match(line, /\.\/[a-z]*\.sock/)
		print "children=\"$children $!\""
		print at ? "await otpctl sys get-status " \
		    substr(line, at, RLENGTH) : "await otpctl sync"
	}' "$1"
}

# What it should print.
output() {
	awk '
	here { here = $0 != "EOF"; next }
	/^\$ / { here = /<<EOF$/; next }
	{ print }' "$1"
}

cat > "$tmp/head.sh" <<'EOF_HEAD'
children=
trap 'for p in $children; do kill "$p" 2>/dev/null; done; wait' EXIT
await() {
	tries=500
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "nobody answers $*"; exit 1; }
		sleep 0.01
	done
}
EOF_HEAD

compile() {
	set -- "$1" "$OTPD_BUILDDIR/.libs"
	lib=$2/libotp.a
	[ -f "$lib" ] || lib="-L$2 -Wl,-rpath,$2 -lotp"
	# shellcheck disable=SC2086 # lists of options
	$OTPD_COMPILE -std=gnu11 -Wall -Wextra -Werror \
	    -I"$OTPD_SRCDIR/src/libotp" -o "$1/example" "$1/example.c" $lib
}

# Run in a folder of its own, as the session in the page shows.
example() {
	name=$(basename "$1")
	dir=$tmp/$name
	mkdir "$dir" "$dir/run"
	block 1 "$1" > "$dir/example.c"
	block 2 "$1" > "$dir/session"
	if ! grep -q '^main(' "$dir/example.c" ||
	    ! grep -q '^\$ ' "$dir/session"; then
		fail "$name has no example, or does not show how it runs"
		return
	fi
	if ! compile "$dir"; then
		fail "$name: its example does not compile"
		return
	fi
	{ cat "$tmp/head.sh"; commands "$dir/session"; } > "$dir/run.sh"
	output "$dir/session" > "$dir/wanted"
	(cd "$dir" && OTP_RUNTIME_DIR=$dir/run timeout 60 sh run.sh \
	    > said 2> errors)
	if [ -s "$dir/wanted" ] && diff "$dir/wanted" "$dir/said"; then
		pass "$name: its example does what it shows"
	else
		cat "$dir/errors"
		fail "$name: its example does something else"
	fi
}

# The functions of otp.h: each in a NAME and in that page's SYNOPSIS.
documented() {
	# shellcheck disable=SC2013 # they are words
	for f in $(sed -n 's/^[a-z].*[ \t*]\(otp_[a-z_]*\)(.*/\1/p' \
	    "$OTPD_SRCDIR/src/libotp/otp.h" | sort -u); do
		page=$(grep -lE "^\.Nm $f( ,)?\$" "$@")
		if [ -n "$page" ] && grep -qE "^\.F[no] $f( |\$)" "$page"; then
			pass "$f has a page"
		else
			fail "$f has no page, or more than one"
		fi
	done
}

set -- "$OTPD_SRCDIR"/man/otp_*.3
documented "$@"
for page; do
	example "$page"
done
finish
