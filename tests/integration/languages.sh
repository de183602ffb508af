#!/bin/sh
# SPDX-License-Identifier: ISC
# Workers in shell and Python under otpd, through otp-port(8) and with nothing
# but otp-protocol(7): called, watching each other, crashing, and stopped.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null ||
    { echo "no python3"; exit 77; }
examples=$OTPD_SRCDIR/contrib/examples
for file in port_shell.sh port_python.py worker.py; do
	cp "$examples/$file" "$T/"
done
cp "$OTPD_BUILDDIR/otp-port" "$T/"
# Asks otpd what it is called with, and replies with what otpd says.
cat > "$T/asker.py" <<'END'
import json, sys
say = lambda line: print(json.dumps(line), flush=True)
say({"register": "early"})
say({"register": "early", "registry": "r"})
say({"ready": True})
for line in map(json.loads, sys.stdin):
    if "call" in line:
        say({**line["call"], "ref": [line["ref"]]})
    elif "stop" in line:
        break
    else:
        said = line["response"] if "response" in line else line["failed"]
        say({"reply": said, "ref": line["ref"][0]})
END

config <<END
{ "max_restarts": 10, "registries": { "r": { "keys": "duplicate" } },
  "children": [
  { "id": "plain", "start": ["$SVC"] },
  { "id": "web", "type": "supervisor", "max_restarts": 10, "children": [
    { "id": "py", "start": ["$T/worker.py"], "kind": "gen_server",
      "name": "pycounter" },
    { "id": "sh", "start": ["$T/otp-port", "$T/port_shell.sh"],
      "kind": "gen_server", "name": "shell" },
    { "id": "store", "start": ["$T/otp-port", "$T/port_python.py"],
      "kind": "gen_server", "name": "store" },
    { "id": "copy", "start": ["$T/otp-port", "$T/port_python.py"],
      "kind": "gen_server", "name": "copy" },
    { "id": "asker", "start": ["$T/otp-port", "python3", "$T/asker.py"],
      "kind": "gen_server", "name": "asker" } ] } ] }
END
start
is "all are ready when they have said so" \
    "$(ctl status --json | pick '*.state')" \
    "$(for _ in 1 2 3 4 5 6 7 8; do echo running; done | paste -sd ' ')"

# said WORDS WANT CODE COMMAND...: what otpctl prints, and its exit code
said() {
	said_words=$1 said_want=$2 said_code=$3
	shift 3
	said_got=$(ctl "$@" 2>&1)
	code=$?
	is "$said_words" "$said_got ($code)" "$said_want ($said_code)"
}

# eventually WORDS WANT CALL...: the same, when a message may be on its way
eventually() {
	said_words=$1 said_want=$2
	shift 2
	for _ in $(seq 200); do
		said_got=$(ctl call "$@" 2>&1)
		[ "$said_got" = "$said_want" ] && break
	done
	is "$said_words" "$said_got" "$said_want"
}

said "Python answers" '{"count": 2}' 0 call pycounter \
    '{"op":"increment","by":2}'
said "by its path too" '{"count": 2}' 0 call web/py '{"op":"get"}'
said "and by the last part of it" '{"count": 2}' 0 call py '{"op":"get"}'
said "shell answers" '{"count": 1}' 0 call shell '"increment"'
said "the Python behind otp-port answers" '{"result": "ok"}' 0 call store \
    '{"op":"put","key":"plain","value":[1.50]}'
said "numbers come back as they went" '{"value": [1.5]}' 0 call store \
    '{"op":"get","key":"plain"}'

# --- names, registries and topics, behind otp-port ---
topic='"registry":"r","topic":"t"'
said "a program takes a name" '{"result": true}' 0 call store \
    '{"op":"name","name":"shop"}'
said "by which it is called" '{"keys": ["plain"]}' 0 call shop \
    '{"op":"keys"}'
said "one that is taken it does not get" \
    "{\"error\": \"{already_started,web/store,$(pid_of web/store)}\"}" 0 \
    call copy '{"op":"name","name":"shop"}'
said "it publishes to nobody" '{"result": 0}' 0 call store \
    '{"op":"tell",'"$topic"',"key":"plain"}'
said "one subscribes" '{"result": true}' 0 call copy \
    '{"op":"follow",'"$topic"'}'
is "and is in the registry" "$(ctl --json registry r t | pick '*.path')" \
    web/copy
said "and is among those who are told" '{"result": 1}' 0 call store \
    '{"op":"tell",'"$topic"',"key":"plain"}'
eventually "what was published" '{"value": [1.5]}' copy \
    '{"op":"get","key":"plain"}'
said "no such registry: it hears so" '{"error": "noproc"}' 0 \
    call copy '{"op":"follow","registry":"q","topic":"t"}'
# Whatever fails, the program hears OTP's word for it.
said "who is called is nobody" '"noproc"' 0 call asker '{"call":1,"to":"ann"}'
said "it is the program itself" '"calling_self"' 0 call asker \
    '{"call":1,"to":"asker"}'
said "a name is none" '"invalid"' 0 call asker '{"register":".x"}'
said "or not its own" '"not_found"' 0 call asker '{"unregister":"shell"}'
said "a topic has no such registry" '"noproc"' 0 call asker \
    '{"publish":1,"registry":"q","topic":"t"}'
said "a value is too large" '"too_large"' 0 call asker \
    '{"register":"k","registry":"r","value":"'"$(printf '%05000d' 0)"'"}'
said "it has a key before it is ready" \
    '[{"path": "web/asker", "pid": '"$(pid_of web/asker)"', "value": ""}]' \
    0 call asker '{"lookup":"early","registry":"r"}'
said "it takes one with a value" true 0 call asker \
    '{"register":"k","registry":"r","value":{"n":1.50}}'
is "which is kept as it is written" "$(ctl --json registry r k |
    pick '*.value')" '{"n": 1.5}'
said "gives it back" true 0 call asker '{"unregister":"k","registry":"r"}'
said "and has it no more" '[]' 0 call asker '{"lookup":"k","registry":"r"}'
said "a topic is left" true 0 call asker \
    '{"unsubscribe":"early","registry":"r"}'
said "of which nobody hears any more" 0 0 call asker \
    '{"publish":1,"registry":"r","topic":"early"}'
said "a name is given back" true 0 call asker '{"unregister":"early"}'
said "and is free for others" '{"result": true}' 0 call copy \
    '{"op":"name","name":"early"}'

# --- monitors: of a program that knows nothing of otpd ---
said "one may be watched" '{"result": "ok"}' 0 call store \
    '{"op":"watch","who":"plain"}'
said "by another as well" '{"count": 2}' 0 call pycounter \
    '{"op":"watch","target":"plain"}'
said "and one that is not there" '{"count": 2}' 0 call pycounter \
    '{"op":"watch","target":"nobody"}'
eventually "which is told" \
    '{"ends": [{"target": "nobody", "reason": "noproc"}]}' \
    pycounter '{"op":"ends"}'
ctl -q signal KILL plain
ctl -q sync --timeout 20
eventually "its end is told, with the reason" '{
  "ends": [
    {"target": "nobody", "reason": "noproc"},
    {"target": "plain", "reason": "killed"}
  ]
}' pycounter '{"op":"ends"}'
eventually "to a program behind otp-port too" '{"keys": []}' store \
    '{"op":"keys"}'

# --- what a shell completes ---
# completes WORD...: how bash goes on behind these, sorted
completes() {
	PATH=$OTPD_BUILDDIR:$PATH bash -c '
	    . "$0"
	    COMP_WORDS=(otpctl "$@") COMP_CWORD=$#
	    _otpctl
	    printf "%s\n" "${COMPREPLY[@]}"' \
	    "$OTPD_SRCDIR/contrib/completion/otpctl.bash" \
	    -r "$RUN" "$@" | sort -u | paste -sd ' '
}
if bash -c : 2>/dev/null; then
	is "every command of the list is completed" "$(completes '')" \
	    "$(ctl --help | awk '/^  [a-z]/ && $1 != "-r" { print $1 }
	    /^Options/ { exit }' | sort -u | paste -sd ' ')"
	is "servers by path and name" "$(completes call '')" "asker copy\
 pycounter shell store web/asker web/copy web/py web/sh web/store"
	is "supervisors where one is wanted" "$(completes task run --sup '')" \
	    "/ web"
	is "their children" "$(completes terminate-child web s)" "sh store"
	is "what a server is asked" "$(completes agent store g)" \
	    "get get-and-update"
	is "no option behind what a task runs" "$(completes task run ls -)" ""
fi

# --- their ends ---
said "a caller hears the exit status of a script" \
    "otpctl: shell ended before it answered: it exited with status 3" 1 \
    call shell '"crash"'
said "and the reason that Python gave" "otpctl: pycounter ended before it \
answered: it ended with reason {bad,day}" 1 \
    call pycounter '{"op":"stop","reason":"{bad,day}"}'
said "the next one answers" '{"count": 0}' 0 call shell '"get"'
said "of either" '{"count": 0}' 0 call pycounter '{"op":"get"}'
is "the supervisor knows the reasons" "$(events event path reason |
    grep '^exited web/' | sort)" "exited web/py {bad,day}
exited web/sh {exit,3}"

# --- the engine dies: nobody notices ---
pids="$(pid_of web/py) $(pid_of web/sh) $(pid_of web/store)"
kill -9 "$(ctl info --json | pick engine_pid)"
said "calls do not need the engine" '{"count": 1}' 0 call shell '"increment"'
said "the next engine hears an old link" '{"count": 0}' 0 call pycounter \
    '{"op":"watch","target":"store"}'
is "nobody was restarted" \
    "$(pid_of web/py) $(pid_of web/sh) $(pid_of web/store)" "$pids"

# --- stopped in order ---
said "a script is stopped" "web/store: stopped" 0 stop store
ok "and had its say" file_has "$LOG/web/store.log" "stopping: shutdown"
is "its end was in order" "$(status web/store last_exit.reason)" shutdown
said "nobody is there any more" "otpctl: web/store is stopped: no server is \
there; see: otpctl why web/store" 1 call web/store '{"op":"keys"}'
said "and nobody ever was elsewhere" \
    "otpctl: no server is registered as nosuch" 1 call nosuch
stop
finish
