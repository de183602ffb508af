#!/bin/sh
# SPDX-License-Identifier: ISC
# A day of applications, and the engine dies at one point of it, another one in
# each run: it must end as if nothing had been.
# APPS_DAYS: how many runs, 8 if not given.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

days=${APPS_DAYS:-8}
mkdir "$T/programs" "$T/apps"
ln -s "$OTPD_BUILDDIR/otp-engine-crash" "$T/programs/otp-engine"
ln -s "$OTPD_BUILDDIR/otp-logger" "$T/programs/otp-logger"
OTP_LIBEXEC=$T/programs
OTP_CRASHPOINTS=$T/plan
export OTP_CRASHPOINTS
# shellcheck disable=SC3045 # where it is unknown, a core lies in $T
ulimit -c 0 2>/dev/null

# Eight bytes, the least first, of struct crash_plan.
number() {
	value=$1
	i=0
	while [ $i -lt 8 ]; do
		# shellcheck disable=SC2059 # an octal escape
		printf "\\$(printf %03o $((value % 256)))"
		value=$((value / 256))
		i=$((i + 1))
	done
}
# The engine dies at point $1, of SIGKILL; 0: at none.
plan() {
	{ number 0; number "$1"; number 0; number 9; head -c 136 /dev/zero; } \
	    > "$T/plan"
}
points() { od -An -t u8 -N 8 "$T/plan" | tr -d ' '; }
deaths() { od -An -t u4 -j 28 -N 4 "$T/plan" | tr -d ' '; }

svc() { printf '{ "id": "%s", "start": ["%s"] }' "$1" "$SVC"; }
app() { cat > "$T/apps/$1.json"; }
config <<END
{ "children": [ $(svc own) ], "applications": "apps" }
END
app db <<END
{ "env": { "port": 1 }, "tree": { "max_restarts": 0,
  "children": [ $(svc w) ] } }
END
app web <<END
{ "applications": ["db"], "start_type": "permanent",
  "tree": { "max_restarts": 0, "children": [ $(svc one), $(svc two) ] } }
END
app late <<END
{ "autostart": false, "applications": ["web"],
  "tree": { "children": [ $(svc w) ] } }
END
app bad <<END
{ "autostart": false, "applications": ["late"],
  "tree": { "children": [ $(svc w), { "id": "x", "start": ["$T/none"] } ] } }
END

# What is said when it was asked twice does not matter: what became of it does.
ask() {
	ctl -q "$@" > /dev/null 2>&1
	ctl -q sync --timeout 20 || echo "no sync after $*"
}
# By what they execute: their command lines are there a moment later.
running() {
	find /proc/[0-9]*/exe -maxdepth 0 -lname "$SVC" 2>/dev/null | wc -l
}
look() {
	ctl --json apps | pick '*.state'
	running
}
day() {
	start
	look
	ask app stop db
	look
	ask app start late
	look
	ask app stop late
	ask app start bad
	look
	ask app env db port 2
	kill -9 "$(pid_of db/w)"
	ask wait db failed --timeout 10
	look
	ask app restart db
	ctl --json app env db port
	look
	kill -9 "$(pid_of web/two)"
	ended
	echo "code $code"
	services
}

plan 0
day > "$T/wanted"
all=$(points)
ok "a day without deaths" [ "$(deaths)" = 0 ]
is "it ends as it should" "$(tr '\n' ' ' < "$T/wanted")" \
    "running running stopped stopped 4 stopped running stopped stopped 3 \
running running running stopped 5 running running stopped failed 4 \
failed running stopped failed 3 2 running running stopped failed 4 code 1 "
n=0
while [ $n -lt "$days" ]; do
	n=$((n + 1))
	at=$((all * n / (days + 1) + 1))
	plan $at
	day > "$T/got"
	if [ "$(deaths)" = 0 ]; then
		skip "point $at of $all was not reached"
	elif diff "$T/wanted" "$T/got"; then
		pass "the engine dies at point $at of $all"
	else
		fail "the engine dies at point $at of $all"
	fi
done
finish
