#!/bin/sh
# SPDX-License-Identifier: ISC
# otpctl upgrade: otpd becomes another under services that do not notice, or
# nothing changes at all.
. "${OTPD_SRCDIR:-.}/tests/integration/lib.sh"

cat > "$T/writer" <<'END'
i=0
while ! [ -e "$1" ]; do
	i=$((i + 1))
	echo "$i"
done
echo end
END
# otpd behind a script: it says when it is asked, and answers when it may.
cat > "$T/slow" <<END
#!/bin/sh
if [ "\$1" = --takes ]; then
	echo \$\$ >> "$T/asked"
	read -r _ < "$T/gate"
fi
exec "$OTPD_BUILDDIR/otpd" "\$@"
END
printf '#!/bin/sh\n%s\n' 'exit 84' > "$T/other"
chmod +x "$T/slow" "$T/other"
mkfifo "$T/gate"
config <<END
{ "log": { "max_size": "500M" }, "max_restarts": 1000000, "children": [
  { "id": "steady", "start": ["$SVC", "note", "$T/steady"] },
  { "id": "writer", "start": ["/bin/sh", "$T/writer", "$T/enough"],
    "restart": "transient" },
  { "id": "busy", "start": ["$SVC", "note", "$T/busy", "exit", "1"] } ] }
END
start -b
otpd_pid=$(ctl --json info | pick pid)

about() { ctl --json info | pick pid upgrades otpd_crashes crashed; }
engine() { ctl --json info | pick engine_pid; }
pids="$(pid_of steady) $(pid_of writer)"
still() { is "$1" "$(pid_of steady) $(pid_of writer)" "$pids"; }

# But for the low ones, which are for what is being started.
descriptors() {
	ctl logs -n 1 writer > "$T/null"	# there is a logger
	for fd in "/proc/$otpd_pid/fd"/*; do
		[ "${fd##*/}" -lt 16 ] || readlink "$fd"
	done | sed 's/:\[.*//' | sort | tr '\n' ' '
}
had=$(descriptors)
# The busy one soon has more events than are kept.
mkfifo "$T/heard"
(exec grep --line-buffered '"upgraded"' < "$T/heard" > "$T/upgrades") &
filter=$!
hear "$T/heard"
n=0
while [ $n -lt 20 ]; do
	ctl -q upgrade || fail "upgrade $n"
	n=$((n + 1))
done
is "twenty upgrades, and it is the same process" "$(about)" "$otpd_pid 20 0 0"
still "services keep their processes"
is "and were not restarted" "$(status steady restarts generation)" "0 1"
await lines 20 "$T/upgrades"
is "events tell it, each once" "$(wc -l < "$T/upgrades")" 20
kill $follower
wait $follower $filter 2>/dev/null
is "nothing has crashed" "$(events event | grep -c '_crashed')" 0
ctl -q stop busy
# The last one may have been stopped before it wrote its line.
n=0			# a program may just be on its way
until [ "$(descriptors)" = "$had" ] || [ $n -eq 100 ]; do
	ctl -q sync
	n=$((n + 1))
done
is "no descriptor was lost, and none is left over" "$(descriptors)" "$had"
starts=$(status busy generation)
ok "every start of one that ends all the time was counted" \
    test $((starts - $(sort -u "$T/busy" | wc -l))) -le 1
is "and none was made twice" "$(wc -l < "$T/busy")" \
    "$(sort -u "$T/busy" | wc -l)"
version=$(ctl --json info | pick version)
is "it says the versions" "$(ctl upgrade)" \
    "otpd is upgraded from $version to $version"
is "with --json, too" "$(ctl upgrade --json | pick result from version)" \
    "ok $version $version"

# --- refused ---
refused() {
	said=$(ctl upgrade "$1" 2>&1)
	is "$1 is refused" $? 1
	ok "with the reason" has "$said" "$2"
	ok "and nothing has changed" has "$said" "; nothing has changed"
}
was=$(about)
refused "$T/nowhere" "$T/nowhere cannot be started: No such file"
refused /bin/true "/bin/true is no otpd that can be upgraded to: asked, it"
refused "$OTPD_BUILDDIR/otpctl" "is no otpd that can be upgraded to"
refused "$T" "$T cannot be started: it is a directory"
refused "$CONF" "cannot be started: it is not executable"
refused "$T/other" "cannot read the table of this otpd"
is "nothing has" "$(about)" "$was"
is "events tell the refusals" "$(events event | grep -c '^upgrade_refused')" 6
still "services have not noticed"

# --- where it was started from ---
exe() { readlink "/proc/$otpd_pid/exe"; }
cp "$OTPD_BUILDDIR/otpd" "$T/new"
(cd "$T" && ctl -q upgrade new)
is "a file may be named from where one is" "$(exe)" "$T/new"
cp "$T/new" "$T/newer"
mv "$T/newer" "$T/new"
is "one that was replaced" "$(exe)" "$T/new (deleted)"
ctl -q upgrade
is "is found where the old one was" "$(exe)" "$T/new"
# Another version: the same program under another number of as many digits.
other=$(printf %s "$version" | tr 0123456789 9876543210)
sed "s/$(printf %s "$version" | sed 's/\./\\./g')/$other/g" \
    "$OTPD_BUILDDIR/otpd" > "$T/newer"
chmod +x "$T/newer"
is "another version is told" "$(ctl upgrade "$T/newer")" \
    "otpd is upgraded from $version to $other"
is "and known from then on" "$(ctl --json info | pick otpd_version)" "$other"
is "events tell that" "$(events event reason | grep '^upgraded' |
    tail -n 1)" "upgraded from $version to $other"
is "it can be taken back" "$(ctl upgrade "$OTPD_BUILDDIR/otpd")" \
    "otpd is upgraded from $other to $version"
"$OTPD_BUILDDIR/otpd" --takes 1,2,3
is "what is written in another form is not for it" $? 84
still "services have not noticed any of that"

# --- half-way ---
asked=0
ask_slowly() {
	ctl upgrade "$T/slow" --timeout 20 > "$T/said" 2>&1 &
	caller=$!
	asked=$((asked + 1))
	await lines $asked "$T/asked"
}
answer() { echo > "$T/gate"; }
count=$(ctl --json info | pick upgrades)
ask_slowly
said=$(ctl upgrade 2>&1)
ok "one at a time" has "$said" "another upgrade is under way"
old=$(engine)
kill -9 "$old"
await gone "$old"
ctl -q status > "$T/null"
answer
wait $caller
is "an engine that dies over it makes no difference" "$?" 0
is "it is done once" "$(ctl --json info | pick upgrades)" $((count + 1))

ask_slowly
kill $caller
wait $caller 2>/dev/null
old=$(engine)
answer
await gone "$old"
ctl -q sync --timeout 20
is "nor does a caller that has gone" "$(ctl --json info | pick upgrades)" \
    $((count + 2))

ask_slowly
first=$(tail -n 1 "$T/asked")
old=$(engine)
kill -SEGV "$otpd_pid"
await gone "$old"
asked=$((asked + 1))
await lines $asked "$T/asked"	# it is asked once more
kill -9 "$first"
answer
wait $caller
is "a crash of otpd delays it" "$?" 0
is "no more" "$(ctl --json info | pick upgrades otpd_crashes)" \
    "$((count + 3)) 1"
still "services keep their processes in all this"

# --- held: the next engine may be one that does not crash ---
n=0
while [ "$(ctl --json info | pick rung)" != 4 ] && [ $n -lt 40 ]; do
	old=$(engine)
	kill -ABRT "$old"
	await gone "$old"
	n=$((n + 1))
done
said=$(ctl status 2>&1)
ok "otpd holds" has "$said" "otpd holds"
ok "and can be upgraded" ctl -q upgrade
is "which ends the hold" "$(ctl --json info | pick rung)" 1
is "no crash is told of without its reason" \
    "$(grep -c 'engine crashed$' "$T/stderr")" 0
still "services run on"

# --- no line is lost ---
: > "$T/enough"
ctl -q wait writer stopped --timeout 20
n=0			# the logger has its end, too
until [ "$(ctl logs -n 1 writer)" = end ] || [ $n -eq 500 ]; do
	n=$((n + 1))
done
is "every line is there, once and in order" "$(awk '
	$1 == "end" { n = NR - 1; exit }
	$1 != NR { print "line " NR " is " $0; exit }
	END { print (n == "" ? "no end" : n > 1000 ? "whole" : "short") }' \
    "$LOG/writer.log")" whole
ok "the last one ends as any" ctl -q shutdown
await gone "$otpd_pid"
otpd_pid=
is "nothing is left behind" "$(ours)" ""
ok "the sanitizers have nothing to say" \
    not grep -qE 'Sanitizer|runtime error' "$T/stderr"
finish
