#!/bin/sh
# SPDX-License-Identifier: ISC
# Children that are started at run time by the thousand, and partitions: counts
# are right while they die at random and engines die, and nothing is left.
# DYNAMIC_MANY: how many, 300 if not given.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

many=${DYNAMIC_MANY:-300}
config <<END
{ "children": [
  { "id": "pool", "type": "dynamic_supervisor", "max_children": $many,
    "max_restarts": "infinity", "extra_arguments": ["say", "extra"] },
  { "id": "few", "type": "dynamic_supervisor", "max_children": 2,
    "template": { "start": ["$SVC"], "restart": "transient",
      "shutdown": 200 } },
  { "id": "simple", "type": "supervisor", "strategy": "simple_one_for_one",
    "template": { "start": ["$SVC"] } },
  { "id": "parts", "type": "partition_supervisor", "partitions": 3,
    "template": { "start": ["$SVC", "report", "$T/report"] } } ] }
END
start

counts() { ctl --json count-children "$1" |
    pick specs active supervisors workers; }
kill_engine() {
	old=$(ctl --json info | pick engine_pid)
	kill -9 "$old"
}
started() { ctl start-child "$1" "$2"; }
full() { printf '{ "id": "%s", "start": ["%s"] }' "$1" "$SVC"; }
mute() {
	printf '{ "id": "%s", "start": ["%s"], "stdout": "null",
	    "stderr": "null" }' "$1" "$SVC"
}
# Kill these and wait until the engine knows it, and all is quiet again.
kill_all() {
	seq=$(($(events seq | tail -n 1) + 1))
	[ -z "$kill_engine_too" ] || kill_engine
	kill -9 "$@"
	grep --line-buffered '"event":"exited"' < "$T/pipe" > "$T/ends" &
	(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" --json events -f \
	    --since "$seq" > "$T/pipe" 2> /dev/null) &
	await lines $# "$T/ends" || fail "$# ends are told"
	kill $!
	wait $! 2> /dev/null
	ctl -q sync --timeout 60
}
kill_engine_too=
mkfifo "$T/pipe"
refusal() { ctl --json "$@" | pick error; }

# --- one after the other ---
is "there is nobody at first" "$(counts pool)" "0 0 0 0"
is "an id is taken once" "$(started pool "$(full w)")" "pool/w: started"
is "the next one of it gets a number" "$(started pool "$(full w)")" \
    "pool/w~1: started"
is "so does the one after that" "$(started pool "$(full w)")" \
    "pool/w~2: started"
is "the answer has its pid" "$(ctl --json start-child pool "$(full v)" |
    pick pid)" "$(pid_of pool/v)"
ok "extra arguments come first" await text extra "$LOG/pool/w~1.log"
before=$(pid_of 'pool/w~1')
kill_engine
await gone "$old"
is "another engine knows them by their names" "$(pid_of 'pool/w~1')" "$before"
kill_all "$before"
is "and restarts them under these" "$(status 'pool/w~1' state restarts)" \
    "running 1"
is "a child ends by its id" "$(ctl terminate-child pool w)" \
    "pool/w: terminated"
is "and is unknown then" "$(refusal terminate-child pool w)" not_found
is "a child ends by its pid" \
    "$(ctl terminate-child pool "pid:$(pid_of 'pool/w~2')")" \
    "pool/pid:$(events event path pid | awk \
    '$1 == "stopping" && $2 == "pool/w~2" { print $3 }'): terminated"
is "a dead pid is unknown" "$(refusal terminate-child pool "pid:$before")" \
    not_found
is "so is a stranger's" "$(refusal terminate-child pool "pid:$$")" not_found
is "there is no restart_child" "$(refusal restart-child pool v)" invalid
is "and no delete_child" "$(refusal delete-child pool v)" invalid
ctl -q terminate-child pool v
ctl -q terminate-child pool 'w~1'
is "a start that fails leaves nothing" "$(refusal start-child pool \
    "{ \"id\": \"x\", \"start\": [\"$T/none\"] }") $(counts pool)" \
    "start_failed 0 0 0 0"

# --- a template, and a limit ---
ctl -q start-child few '{ "id": "a", "args": ["stubborn"] }'
ctl -q start-child few '{ "id": "a" }'
is "the limit is kept" "$(refusal start-child few '{ "id": "b" }')" \
    max_children
kill_all "$(pid_of few/a)"
is "a killed transient is back" "$(counts few)" "2 2 0 2"
one=$(ctl --json start-child simple '{ "id": "s" }' | pick pid)
ctl -q terminate-child simple "pid:$one"
is "a simple supervisor is content with the dead" \
    "$(ctl --json terminate-child simple "pid:$one" | pick result)" ok
is "but not with strangers" "$(refusal terminate-child simple "pid:$$")" \
    not_found

# --- a thousand or more ---
i=0
while [ $i -lt "$many" ]; do
	[ $i -ne $((many / 2)) ] || kill_engine
	ctl -q start-child pool "$(mute "c$i")" || {
		fail "c$i is started"
		break
	}
	i=$((i + 1))
done
is "all are there" "$(counts pool)" "$many $many 0 $many"
is "one more is too many" "$(refusal start-child pool "$(full z)")" \
    max_children
pids() { ctl --json which-children pool | pick '*.pid' | tr ' ' '\n'; }
pids | sort > "$T/before"
# shellcheck disable=SC2046 # lists
{
	kill_all $(shuf -n $((many / 10)) "$T/before")
	is "a tenth is killed and is back" "$(counts pool)" \
	    "$many $many 0 $many"
	# A pid may be another's by now, so what counts is who was restarted.
	is "and no others" "$(ctl --json status pool | pick '*.restarts' |
	    tr ' ' '\n' | grep -cx 1)" $((many / 10))
	pids | sort > "$T/after"
	kill_engine_too=yes
	kill_all $(shuf -n $((many / 10)) "$T/after")
	is "also when the engine dies with them" "$(counts pool)" \
	    "$many $many 0 $many"
}
is "each has one process" "$(pids | sort -u | wc -l)" $many
i=0
while [ $i -lt "$many" ]; do
	if [ $((i % 2)) -eq 0 ] || [ $i -lt $((many * 9 / 10)) ]; then
		ctl -q terminate-child pool "c$i"
	else
		ctl -q terminate-child pool "pid:$(pid_of "pool/c$i")"
	fi || {
		fail "c$i is terminated"
		break
	}
	[ $i -ne $((many / 2)) ] || kill_engine
	i=$((i + 1))
	[ $((i % (many / 4))) -ne 0 ] || is "$i less" "$(counts pool)" \
	    "$((many - i)) $((many - i)) 0 $((many - i))"
done
is "no process of theirs is left" "$(services | wc -l)" 5

# --- partitions ---
is "partitions are numbered" "$(ctl --json which-children parts |
    pick '*.id')" "2 1 0"
is "an integer key" "$(ctl partition parts 4) $(ctl partition parts -- -4)" \
    "parts/1 parts/1"
is "a long one" "$(ctl partition parts 100000000000000000000000000001)" \
    parts/2
is "text" "$(ctl --json partition parts foobar | pick path partition)" \
    "parts/0 0"
ok "each knows which it is" grep -qE '^env OTP_PARTITION=[012]$' "$T/report"
is "others have none" "$(refusal partition pool 1)" invalid

stop
finish
