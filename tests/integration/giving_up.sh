#!/bin/sh
# SPDX-License-Identifier: ISC
# A crash loop ends: the supervisor gives up, its parent sees that, and at the
# root otpd stops everything in order and ends with the child's code.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

config <<END
{ "max_restarts": 1, "max_seconds": 60, "children": [
  { "id": "first", "start": ["$SVC"] },
  { "id": "middle", "type": "supervisor", "max_restarts": 2, "max_seconds": 60,
    "children": [
    { "id": "calm", "start": ["$SVC"] },
    { "id": "loop", "start": ["$SVC", "gate", "$T/gate", "note", "$T/starts",
      "exit", "7"] } ] },
  { "id": "last", "start": ["$SVC"] } ] }
END
mkfifo "$T/gate"
begin
# All that happens is heard; then the crashing child may begin.
hear "$T/events"
ctl -q wait last running --timeout 20
exec 3<> "$T/gate"
ended
wait $follower
exec 3>&-
is "otpd ends with the code of the child that broke the tree" $code 7
is "nothing is left behind" "$(ours)" ""
is "it was started once more than allowed, in each life of its supervisor" \
    "$(wc -l < "$T/starts")" 6
pick -l event path reason child < "$T/events" |
    grep -E '^(ready|exited|gave_up|restarting) ' > "$T/short"
cat > "$T/want" <<'END'
ready first - -
ready middle/calm - -
ready middle/loop - -
ready middle - -
ready last - -
ready / - -
exited middle/loop {exit,7} -
restarting middle - middle/loop
ready middle/loop - -
exited middle/loop {exit,7} -
restarting middle - middle/loop
ready middle/loop - -
exited middle/loop {exit,7} -
gave_up middle - middle/loop
exited middle/calm shutdown -
exited middle shutdown -
restarting / - middle
ready middle/calm - -
ready middle/loop - -
ready middle - -
exited middle/loop {exit,7} -
restarting middle - middle/loop
ready middle/loop - -
exited middle/loop {exit,7} -
restarting middle - middle/loop
ready middle/loop - -
exited middle/loop {exit,7} -
gave_up middle - middle/loop
exited middle/calm shutdown -
exited middle shutdown -
gave_up / - middle
exited last shutdown -
exited first shutdown -
exited / shutdown -
END
ok "all of it is told in OTP's order" diff "$T/want" "$T/short"
ok "the numbers of events have no holes" same \
    "$(pick -l seq < "$T/events" | tr '\n' ' ')" \
    "$(seq -s ' ' "$(wc -l < "$T/events")") "
ok "otpd says that it gave up" file_has "$T/stderr" "gave up"
ok "and because of whom" file_has "$T/stderr" "otpd: /: gave up because of middle"
ok "and where that worker's words are" file_has "$T/stderr" \
    "otpd: middle: gave up because of middle/loop; its log: $LOG/middle/loop.log"

ctl why loop 2> "$T/said"
is "who asks when otpd is gone is told why it ended" \
    "$? $(sed -n '2s/^otpctl: it ended by itself .* ago ([-0-9 :]*): //p' \
    "$T/said")" "5 / gave up because of middle, which gave up because of \
middle/loop, which exited with status 7; its log: $LOG/middle/loop.log"
echo '{ "children": [] }' > "$CONF"
"$OTPD_BUILDDIR/otpd" -b -c "$CONF" -r "$RUN" -l "$LOG" 2>> "$T/stderr"
ctl -q shutdown
is "but not after another that ended as it was told to" \
    "$(ctl status 2>&1 | grep -c 'by itself')" 0
echo '{ "children": 1 }' > "$CONF"
"$OTPD_BUILDDIR/otpd" -c "$CONF" -r "$RUN" -l "$LOG" 2> /dev/null
ok "and of one with a wrong configuration that" has "$(ctl status 2>&1)" \
    "): its configuration has errors, which otpd -n tells"

# --- a container's job: when it is done otpd ends, with its code ---
for want in 0 7; do
	config <<-END
	{ "auto_shutdown": "any_significant", "children": [
	  { "id": "beside", "start": ["$SVC"] },
	  { "id": "jobs", "type": "supervisor", "restart": "transient",
	    "significant": true, "auto_shutdown": "all_significant", "children": [
	    { "id": "job", "restart": "temporary", "significant": true,
	      "start": ["$SVC", "gate", "$T/gate", "exit", "$want"] } ] } ] }
	END
	begin
	exec 3<> "$T/gate"
	ended
	exec 3>&-
	is "otpd ends with the code of its significant job: $want" $code $want
	ok "and tells of it afterwards: $want" has "$(ctl status 2>&1)" \
	    "because of jobs"
done

# --- a program that goes into the background by itself ends at once ---
config <<END
{ "max_restarts": 1, "children": [
  { "id": "forks", "start": ["/bin/sh", "-c",
      "until [ -e $T/go ]; do sleep 0.1; done; sleep 1000 & exit 0"] } ] }
END
begin
: > "$T/go"
ended
ok "each end of it is told, although it is none with an error" same \
    "$(grep -c '^otpd: forks: exited normally (pid' "$T/stderr")" 2

# --- a supervisor that nobody restarts stays down, and can be started ---
config <<END
{ "children": [ { "id": "other", "start": ["$SVC"] },
  { "id": "sup", "type": "supervisor", "max_restarts": 1, "max_seconds": 60,
    "restart": "transient", "children": [
    { "id": "bad", "start": ["$SVC", "if", "$T/broken", "exit", "3"] } ] } ] }
END
start
: > "$T/broken"
victim=$(pid_of bad)
kill -9 "$victim"
ctl -q wait sup failed --timeout 20
is "a supervisor that gave up has failed" "$(status sup state)" failed
is "its parent goes on" "$(status / state) $(status other generation)" \
    "running 1"
ctl -q is-failed sup
is "is-failed says so" $? 0
said=$(ctl why sup/bad)
ok "why says who gave up" has "$said" "gave up"
ok "why says how it ended" has "$said" "status 3"
ok "so it does of the supervisor itself" has "$(ctl why sup)" \
    "It gave up"
rm "$T/broken"
ok "start brings it back" ctl -q start sup --timeout 10
is "with its children" "$(status bad state)" running
stop
finish
