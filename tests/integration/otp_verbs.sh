#!/bin/sh
# SPDX-License-Identifier: ISC
# OTP's own calls on supervisors, with OTP's answers in OTP's words.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

config <<END
{ "children": [
  { "id": "s", "type": "supervisor", "children": [
    { "id": "a", "start": ["$SVC"] } ] },
  { "id": "pool", "type": "supervisor", "strategy": "simple_one_for_one",
    "template": { "start": ["$SVC", "note"] } } ] }
END
start
call() { ctl --json "$@" | pick result error; }
spec() {
	printf '{ "id": "%s", "start": ["%s"%s], "ready": "notify" }' \
	    "$1" "$SVC" "$2"
}

is "start_child" "$(call start-child s "$(spec b ', "ready"')")" "started -"
is "the same again" "$(call start-child s "$(spec b ', "ready"')")" \
    "- already_started"
is "the whole path comes back" "$(ctl --json start-child s \
    "$(spec c ', "ready"')" | pick path)" s/c
is "one that says ignore" "$(call start-child s \
    "$(spec d ', "ignore", "exit", "0"')")" "ignored -"
is "its specification stays" "$(call start-child s \
    "$(spec d ', "ignore", "exit", "0"')")" "- already_present"
is "one that fails" "$(call start-child s "$(spec e ', "exit", "0"')")" \
    "- start_failed"
is "nothing of it stays" "$(call delete-child s e)" "- not_found"
is "which_children: newest first" "$(ctl --json which-children s |
    pick '*.id' '*.state' '*.type')" \
    "d c b a stopped running running running worker worker worker worker"
is "with pids" "$(ctl --json which-children s | pick 0.pid 3.pid)" \
    "- $(pid_of s/a)"
is "count_children" "$(ctl --json count-children s |
    pick specs active supervisors workers)" "4 3 0 4"
is "of the root" "$(ctl --json count-children / |
    pick specs active supervisors workers)" "2 2 2 0"

is "restart_child of what runs" "$(call restart-child s b)" "- running"
is "delete_child of what runs" "$(call delete-child s b)" "- running"
is "terminate_child" "$(call terminate-child s b)" "ok -"
is "again" "$(call terminate-child s b)" "ok -"
is "restart_child" "$(call restart-child s b)" "started -"
is "terminate and delete" "$(call terminate-child s b; call delete-child s b)" \
    "ok -
ok -"
is "delete again" "$(call delete-child s b)" "- not_found"
is "terminate of a stranger" "$(call terminate-child s b)" "- not_found"

is "simple_one_for_one: start_child" \
    "$(call start-child pool "{ \"id\": \"i1\", \"args\": [\"$T/i1\"] }")" \
    "started -"
await exists "$T/i1"
is "its arguments come after the template's" "$(cat "$T/i1")" \
    "$(pid_of pool/i1)"
is "restart_child has no meaning there" "$(call restart-child pool i1)" \
    "- simple_one_for_one"
is "nor has delete_child" "$(call delete-child pool i1)" \
    "- simple_one_for_one"
is "count_children" "$(ctl --json count-children pool |
    pick specs active supervisors workers)" "1 1 0 1"
is "terminate_child of an instance" "$(call terminate-child pool i1)" "ok -"
is "it is gone" "$(ctl --json which-children pool)" "[]"

is "a supervisor that is not there" "$(call which-children nobody)" \
    "- noproc"
# code COMMAND...: the exit code of otpctl
code() { ctl -q "$@" > "$T/said" 2>&1; echo $?; }
is "a path that is nobody's is that, whatever the command" \
    "$(code status nobody) $(code which-children nobody) $(code count-children \
    nobody) $(code terminate-child nobody x) $(code restart-child nobody x) \
$(code delete-child nobody x) $(code start-child nobody '{"id":"x"}')" \
    "4 4 4 4 4 4 4"
ctl -q terminate-child / s
is "one that does not run" "$(call count-children s)" "- noproc"
is "is a child all the same" "$(code count-children s)" 1
is "a restarted supervisor has what its specification says, no more" \
    "$(call restart-child / s; ctl --json which-children s | pick '*.id')" \
    "started -
a"
is "a worker is no supervisor" "$(call which-children s/a)" "- invalid"
is "a specification with a mistake" "$(call start-child s '{ "id": "x" }')" \
    "- bad_spec"
ok "is explained" has "$(ctl start-child s '{ "id": "x" }' 2>&1)" start
ctl -q delete-child s nobody 2>/dev/null
is "not_found has its own exit code" $? 4
stop
finish
