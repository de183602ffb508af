# SPDX-License-Identifier: ISC
# Counting for the test scripts: . this, call pass, fail and skip, then finish.

: "${OTPD_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${OTPD_BUILDDIR:=$PWD}"
npass=0 nfail=0 nskip=0

pass() { npass=$((npass + 1)); echo "ok: $*"; }
fail() { nfail=$((nfail + 1)); echo "FAILED: $*"; }
skip() { nskip=$((nskip + 1)); echo "skipped: $*"; }

# The summary that contrib/test.sh adds up, and automake's exit code.
finish() {
	if [ $nskip -gt 0 ]; then
		echo "$npass passed, $nfail failed, $nskip skipped"
	else
		echo "$npass passed, $nfail failed"
	fi
	[ $nfail -eq 0 ] || exit 1
	[ $npass -gt 0 ] || exit 77
	exit 0
}
