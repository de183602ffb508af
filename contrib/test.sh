#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Installs what the tests need (as root on Debian; else says what), builds
# with sanitizers and warnings as errors, and runs every test.  Leaves the
# source tree as it is.  The last line is the sum of all test cases.
#
#   test.sh [--build-only] [configure options]
set -eu
# shellcheck source=contrib/common.sh
. "$(dirname "$0")/common.sh"

build_only=
if [ "${1-}" = --build-only ]; then
	build_only=yes
	shift
fi

# shellcheck disable=SC2086 # a list
want $build_needs check mandoc procps util-linux

work=$(mktemp -d "${TMPDIR:-/tmp}/otpd-test.XXXXXX")
# Some tests run programs of the build as another user.
chmod 755 "$work"
cleanup() { rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

say "building in $work ${*:+with }$*"
source_copy "$work/src"
if [ -n "$build_only" ]; then
	build "$work/src" "$work/build" --enable-werror "$@"
	exit
fi
build "$work/src" "$work/build" --enable-sanitizers --enable-werror "$@"

say "testing"
began=$(date +%s)
cd "$work/build"
status=0
make -k -j2 check > "$work/check.log" 2>&1 || status=$?

# With -k they may be far from the end.
show_build_errors() {
	grep -v '^  [A-Z]* ' "$work/check.log" | head -n 100
}

# Every test has left NAME.log and NAME.trs.
results=$(find . -name '*.trs' | sort | sed 's/\.trs$//')
[ -n "$results" ] || {
	show_build_errors
	die "no test has run"
}

# passed, failed and skipped cases of one test: Check's own line, the last
# line of our scripts, or else the test counts as one case.
count() {
	awk -v verdict="$(sed -n 's/^:global-test-result: //p' "$1.trs")" '
	/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$/ {
		gsub(/[^0-9 ]/, ""); split($0, n, " +")
		failed += n[3] + n[4]; passed += n[2] - n[3] - n[4]
	}
	/^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
		gsub(/[^0-9 ]/, ""); split($0, n, " +")
		passed += n[1]; failed += n[2]; skipped += n[3]
	}
	END {
		if (verdict == "SKIP" && !skipped)
			skipped = 1
		if (verdict == "PASS" && !(passed + failed))
			passed = 1
		if (verdict !~ /^(PASS|SKIP)$/ && !failed)
			failed = 1
		print passed + 0, failed + 0, skipped + 0, verdict
	}' "$1.log"
}

passed=0 failed=0 skipped=0
for test in $results; do
	# shellcheck disable=SC2046 # four words
	set -- $(count "$test")
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
	printf '%-5s %4d passed %3d failed %3d skipped  %s\n' \
	    "$4" "$1" "$2" "$3" "${test#./}"
	[ "$4" = PASS ] || [ "$4" = SKIP ] || {
		echo "-- the end of ${test#./}.log:"
		tail -n 60 "$test.log"
		echo "--"
	}
done

# A test that could not be built has left no result.
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
	show_build_errors
	failed=1
fi
say "took $(($(date +%s) - began)) s"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
