# SPDX-License-Identifier: ISC
# For the tests of otpd's own death: . this after lib.sh.
#
#   kill_otpd		with SIGKILL
#   launch_again	the next one, on what the last one left
#   again		the same, until it is up
#   picture		every service, its process and its counts
#   running PATH...	their processes live
#   keeper_of PID	the keeper of that otpd
#   new_keeper PID	until there is another than that one
#   helpers_of PID	the children of that process
# shellcheck shell=sh disable=SC2034

# shellcheck disable=SC2154 # lib.sh has them
kill_otpd() {
	kill -9 "$otpd_pid"
	wait "$otpd_pid" 2>/dev/null
}

launch_again() {
	"$OTPD_BUILDDIR/otpd" "$@" -c "$CONF" -r "$RUN" -l "$LOG" \
	    < /dev/null > "$T/stdout" 2>> "$T/stderr" &
	otpd_pid=$!
}

again() {
	launch_again "$@"
	ctl -q sync --timeout 20 || {
		fail "the next otpd is up"
		sed 's/^/  | /' "$T/stderr"
	}
}

picture() { ctl --json status | pick '*.path' '*.pid' '*.state' \
    '*.generation' '*.restarts'; }


# Children of $1, by name $2 if that is given.
children_of() {
	for stat in /proc/[0-9]*/stat; do
		sed -n "s/^\\([0-9]*\\) (\\(${2:-.*}\\)) . $1 .*/\\1/p" "$stat" \
		    2>/dev/null
	done
}

keeper_of() { children_of "$1" otpd-keeper; }
helpers_of() { children_of "$1"; }

# Its own requests are the clock.
new_keeper() {
	for turn in $(seq 2000); do
		keeper=$(keeper_of "$otpd_pid")
		[ -n "$keeper" ] && [ "$keeper" != "$1" ] && return
		ctl -q sync --timeout 20
	done
	fail "there is another keeper"
}
