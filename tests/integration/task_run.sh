#!/bin/sh
# SPDX-License-Identifier: ISC
# Commands under otpctl task run: a batch of which some crash and some hang,
# while engines die; what otpctl's own end means for them.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

many=${TASKS_MANY:-60}
cp "$OTPD_SRCDIR/etc/tasks.json" "$CONF"
start

run() { ctl task run "$@"; }
kill_engine() {
	old=$(ctl --json info | pick engine_pid)
	kill -9 "$old"
}
counts() { ctl --json count-children tasks |
    pick specs active supervisors workers; }
dirs() { find "$T/tmp" -mindepth 1 | wc -l; }
TMPDIR=$T/tmp
export TMPDIR
mkdir "$TMPDIR"

# --- one ---
is "a command's output" "$(run -- echo hello < /dev/null)" hello
run -q --no-stdin -- sh -c 'echo out; echo err >&2; exit 3' > "$T/out" \
    2> "$T/err"
is "one that failed is one that failed" $? 1
is "its output" "$(cat "$T/out")" out
is "and its errors, apart" "$(cat "$T/err")" err
run --no-stdin -- sh -c 'exit 3' 2> "$T/err"
is "why is said" "$(cat "$T/err")" "otpctl: task 1 (sh) exited with status 3"
run --no-stdin -- "$T/none" 2> "$T/err"
is "one that cannot be started has failed" $? 1
ok "for a reason" file_has "$T/err" "no such file or directory"
is "it runs where otpctl does" "$(cd "$T/tmp" && run -- pwd < /dev/null)" \
    "$T/tmp"
is "with its own options" "$(run echo -n -q < /dev/null)" "-q"

# --- lines ---
is "a line is the last argument" "$(printf 'a b\nc\n' | run -- printf '<%s>')" \
    "<a b><c>"
is "or takes the place of {}" "$(printf 'a\n\nb' | run -- echo x{}{} y)" \
    "xaa y
xbb y"
is "lines may end with NUL" "$(printf 'a\nb\0c' | run -0 -- printf '<%s>')" \
    "<a
b><c>"
is "no line is no command" "$(printf '' | run -- echo x)" ""
is "a line is nothing to a command that wants none" \
    "$(echo a | run --no-stdin -- echo x)" x
# The first ends when the second has been shown.
mkfifo "$T/go"
is "unordered is as they end" "$(printf '1\n2\n' | run --unordered \
    --timeout 10 --max-concurrency 2 -- sh -c "
    [ {} = 2 ] || cat '$T/go' > /dev/null; echo {}" | {
    read -r first; echo > "$T/go"; read -r second; echo "$first$second"; })" 21
echo a | run --json -- sh -c 'echo o$0; echo e >&2; kill -9 $$' > "$T/out"
is "for programs" "$(pick task argument result reason exit_code stdout stderr \
    < "$T/out")" "1 a exit killed 137 oa
 e"

# --- a batch: every 10th exits with 1, every 15th crashes, some hang ---
cat > "$T/job" <<'END'
#!/bin/sh
n=$1
echo "begin $n" >> "$2"
case $((n % 30)) in
10|20)	echo "bad $n"; exit 1 ;;
15)	kill -SEGV $$ ;;
5)	trap '' TERM INT HUP
	sleep 1000 &
	sleep 1000
	;;
esac
echo "good $n"
echo "about $n" >&2
END
chmod +x "$T/job"
i=0
: > "$T/want"
hanging=0
failing=0
while [ $i -lt "$many" ]; do
	i=$((i + 1))
	case $((i % 30)) in
	10|20)	echo "bad $i" >> "$T/want"; failing=$((failing + 1)) ;;
	15)	failing=$((failing + 1)) ;;
	5)	hanging=$((hanging + 1)); failing=$((failing + 1)) ;;
	*)	echo "good $i" >> "$T/want" ;;
	esac
done
[ $failing -lt 100 ] || failing=100
batch() {
	: > "$T/begun"
	seq "$many" | run --max-concurrency 8 --timeout 1500ms -- \
	    "$T/job" {} "$T/begun" > "$T/out" 2> "$T/err"
}
check_batch() {
	is "$1: the code says how many failed" "$code" "$failing"
	ok "$1: the output is in order" cmp "$T/out" "$T/want"
	is "$1: the errors, too" "$(grep -c ^about "$T/err")" \
	    "$(grep -c good "$T/want")"
	is "$1: some took too long" "$(grep -c 'timed out' "$T/err")" $hanging
	is "$1: each has run once" "$(sort "$T/begun" | uniq | wc -l)" "$many"
	is "$1: and not twice" "$(sort "$T/begun" | uniq -d)" ""
	is "$1: no process of theirs is left" "$(job_processes)" ""
	is "$1: nor a child" "$(counts)" "0 0 0 0"
	is "$1: nor a file" "$(dirs)" 0
}
# What hangs has this program in its group, whatever it has become.
job_processes() {
	printf '%s' "$T/job" | grep -laF --file=- /proc/[0-9]*/cmdline \
	    2> /dev/null
}
batch
code=$?
check_batch "a batch"

# --- the same while engines die ---
batch &
pid=$!
for part in 5 15 25 40 55; do
	await lines $((many * part / 60)) "$T/begun"
	kill_engine
	await gone "$old"
	ctl -q sync --timeout 20 > /dev/null 2>&1 || :
done &
killer=$!
wait $pid
code=$?
wait $killer
check_batch "a batch under five engines"

# --- the supervisor has room for two ---
cat > "$CONF" <<END
{ "children": [
  { "id": "tasks", "type": "task_supervisor", "max_children": 2 },
  { "id": "made", "type": "task_supervisor",
    "template": { "start": ["$SVC"] } } ] }
END
ctl -q reload
run -- true < /dev/null 2> "$T/err"
is "it has to be said which supervisor" $? 125
ok "in words" file_has "$T/err" "more than one task_supervisor"
is "max_children is waited for" "$(seq 9 | run --sup tasks \
    --max-concurrency 8 -- echo | tr -d '\n')" 123456789
run --sup none -- true < /dev/null 2> /dev/null
is "a supervisor that is not there" $? 125
run --sup made -- true < /dev/null 2> "$T/err"
is "one with a template takes no commands" $? 1
kept() { status made/t restart; }
ctl -q start-child made '{ "id": "t" }'
is "its children are temporary" "$(kept)" temporary
kill_engine
await gone "$old"
is "for the next engine, too" "$(kept)" temporary
ctl -q terminate-child made t

# --- otpctl ends: what it started ends with it ---
sleeper() { # the pid of the command is in $T/pid
	rm -f "$T/pid"
	(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" task run --sup tasks -- \
	    sh -c "echo \$\$ > '$T/pid.new'; mv '$T/pid.new' '$T/pid'
	    sleep 1000; :" < /dev/null > "$T/out" 2>&1) &
	otpctl=$!
	await exists "$T/pid"
	sleeper=$(cat "$T/pid")
}
sleeper
kill -TERM $otpctl
wait $otpctl 2> /dev/null
is "interrupted, otpctl ends by that signal" $? 143
await gone "$sleeper"
is "and has stopped what it had started" "$(counts)" "0 0 0 0"
is "and left no file" "$(dirs)" 0
sleeper
kill -9 $otpctl
await gone "$sleeper"
ctl -q sync
is "killed, it takes its tasks along" "$(counts)" "0 0 0 0"
rm -rf "$T"/tmp/*
mkfifo "$T/lines"
rm -f "$T/pid"
(exec "$OTPD_BUILDDIR/otpctl" -r "$RUN" task run --sup tasks \
    --max-concurrency 2 -- sh -c "echo \$\$ > '$T/{}.new'
    mv '$T/{}.new' '$T/{}'; sleep 1000; :" < "$T/lines" > "$T/out" 2>&1) &
otpctl=$!
exec 8> "$T/lines"
echo pid >&8
await exists "$T/pid"
sleeper=$(cat "$T/pid")
kill_engine
await gone "$old"
echo second >&8
await exists "$T/second"	# so it has spoken to the next engine
sleeps_on() { kill -0 "$sleeper"; }
ok "a dead engine is no reason to stop" sleeps_on
kill -9 $otpctl
exec 8>&-
await gone "$sleeper" "$(cat "$T/second")"
is "its successor knows whose they are" "$(ctl -q sync; counts)" "0 0 0 0"
rm -rf "$T"/tmp/*
rm -f "$T/pid"
stop
finish
