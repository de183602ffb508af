#!/bin/sh
# SPDX-License-Identifier: ISC
# The core calls nothing but memory and string functions: what its library
# leaves undefined is compared with a list.
set -eu
nm=${NM:-nm}
lib=${1:-${OTPD_BUILDDIR:-.}/libcore.a}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/pure.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# shellcheck disable=SC2086 # it may carry options
$nm "$lib" > "$tmp/all"
awk 'NF == 3 && $2 ~ /^[TDBRVW]$/ { print $3 }' "$tmp/all" |
    sort -u > "$tmp/defined"
awk 'NF == 2 && $1 ~ /^[Uw]$/ { print $2 }' "$tmp/all" |
    sort -u > "$tmp/undefined"
[ -s "$tmp/undefined" ] || { echo "no symbols in $lib"; exit 1; }

# The last two lines are what compilers put in: canaries, sanitizers, coverage.
comm -23 "$tmp/undefined" "$tmp/defined" | grep -vE \
    -e '^(malloc|calloc|realloc|free)$' \
    -e '^(mem|str)[a-z]+$' \
    -e '^(__(mem|str)[a-z]+_chk|__assert_fail)$' \
    -e '^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail(_local)?)$' \
    -e '^__(asan|ubsan|tsan|sanitizer|gcov|llvm)_' > "$tmp/foreign" || :
if [ -s "$tmp/foreign" ]; then
	sed 's/^/the core calls /' "$tmp/foreign"
	echo "0 passed, 1 failed"
	exit 1
fi
echo "1 passed, 0 failed"
