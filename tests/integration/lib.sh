# SPDX-License-Identifier: ISC
# For the integration tests: . this.  It gives a private directory $T, runs
# otpd in it, and leaves nothing behind.  Everything waits for what is told,
# nothing sleeps.
#
#   config <<EOF		write $CONF
#   start [OPTION...]		run otpd, until its first start is over
#   begin [OPTION...]		run otpd, until it can be asked
#   stop			end it; it must have had nothing to complain of
#   ctl ...			otpctl on it
#   is WORDS GOT WANT		one check
#   ok WORDS COMMAND...		one check: the command succeeds
#   status PATH PLACE...	values of a child's status, see pick.c
#   pid_of PATH			its pid
#   events PLACE...		values of all events, a line each
#   hear FILE			all events into FILE, $follower does it
#   await_event WORDS		until a line of `events event path reason child`
#				has these
# shellcheck shell=sh disable=SC2034

. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

OTPD_SRCDIR=$(cd "$OTPD_SRCDIR" && pwd)
OTPD_BUILDDIR=$(cd "$OTPD_BUILDDIR" && pwd)
: "${OTP_LIBEXEC:=$OTPD_BUILDDIR}"
export OTP_LIBEXEC
helpers=$OTPD_BUILDDIR/tests/integration
PATH=$PATH:/sbin:/usr/sbin

T=$(mktemp -d "${TMPDIR:-/tmp}/otpd-it.XXXXXX") || exit 99
chmod 755 "$T"
RUN=$T/run LOG=$T/log CONF=$T/otpd.json SVC=$T/service
cp "$helpers/service" "$SVC"
otpd_pid=

await() { "$helpers/await" "$@"; }
pick() { "$helpers/pick" "$@"; }
ctl() { "$OTPD_BUILDDIR/otpctl" -r "$RUN" "$@"; }

# Everything whose command line names our directory.  The pattern comes by
# standard input, lest grep find itself.
ours() {
	# shellcheck disable=SC2062 # names of files
	printf '%s' "$T" | grep -laF --file=- /proc/[0-9]*/cmdline 2>/dev/null |
	    cut -d/ -f3
}

# The services among them, whoever their parent is.
services() {
	# shellcheck disable=SC2062 # names of files
	printf '%s' "$SVC" | grep -laF --file=- /proc/[0-9]*/cmdline 2>/dev/null |
	    cut -d/ -f3
}

cleanup() {
	trap - EXIT INT TERM HUP
	# shellcheck disable=SC2046 # a list
	kill -9 $(ours) 2>/dev/null
	cd / && rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

is() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		printf '  want %s\n  got  %s\n' "$3" "$2"
	fi
}

ok() {
	ok_words=$1
	shift
	if "$@"; then pass "$ok_words"; else fail "$ok_words"; fi
}

not() { ! "$@"; }
same() { [ "$1" = "$2" ]; }
has() { case $1 in *"$2"*) ;; *) echo "  not in: $1"; false ;; esac; }
file_has() { grep -qF -- "$2" "$1" || { sed 's/^/  | /' "$1"; false; }; }

config() { cat > "$CONF"; }

# For one that may have ended before anybody has seen its socket.
launch() {
	rm -rf "$RUN"
	mkdir -m 700 "$RUN" "$RUN/names"
	: > "$T/stderr"
	"$OTPD_BUILDDIR/otpd" "$@" -c "$CONF" -r "$RUN" -l "$LOG" \
	    < /dev/null > "$T/stdout" 2>> "$T/stderr" &
	otpd_pid=$!
}

begin() {
	launch "$@"
	await exists "$RUN/names/otpd" || fail "otpd has a socket"
}

start() {
	begin "$@"
	ctl -q sync --timeout 20 || fail "otpd is up"
}

# Until otpd has ended; its exit code is in $code.
ended() {
	await gone "$otpd_pid" || { kill -9 "$otpd_pid"; fail "otpd ends"; }
	wait "$otpd_pid"
	code=$?
	otpd_pid=
	if grep -qE 'Sanitizer|runtime error' "$T/stderr"; then
		fail "the sanitizers have nothing to say"
		sed 's/^/  | /' "$T/stderr"
	fi
}

# The orderly end of a test; nothing may be left.
stop() {
	kill -TERM "$otpd_pid"
	ended
	is "otpd ends with 0 when asked to" $code 0
	is "nothing is left behind" "$(ours)" ""
}

status() {
	status_of=$1
	shift
	for place; do
		set -- "$@" "0.$place"
		shift
	done
	ctl --json status "$status_of" | pick "$@"
}

pid_of() { status "$1" pid; }
events() { ctl --json events | pick -l "$@"; }

# All events so far and from now on into a file, until otpd ends or $follower
# is killed.
hear() {
	(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" --json events -f --since 1 \
	    > "$1" 2>/dev/null) &
	follower=$!
}

await_event() {
	rm -f "$T/follow"
	mkfifo "$T/follow"
	: > "$T/followed"
	(exec "$helpers/pick" -l event path reason child < "$T/follow" \
	    > "$T/followed") &
	picker=$!
	hear "$T/follow"
	await text "$1" "$T/followed" || {
		fail "there is an event $1"
		sed 's/^/  | /' "$T/followed"
	}
	kill $follower
	wait $follower $picker 2>/dev/null
}
