#!/bin/sh
# SPDX-License-Identifier: ISC
# The manual pages are sound mdoc, and every program has one.
. "${OTPD_SRCDIR:-.}/tests/build/lib.sh"

# mandoc also looks for the pages that ours refer to: only where they are
# installed does it find them, so that is not a fault of the page.
lint() {
	"$MANDOC" -T lint -W warning "$1" 2>&1 | grep -v 'referenced manual not found'
}

for page in "$OTPD_SRCDIR"/man/*.[1-9]; do
	name=$(basename "$page")
	if [ -z "$MANDOC" ]; then
		skip "$name: no mandoc"
	elif said=$(lint "$page") && [ -n "$said" ]; then
		echo "$said"
		fail "$name has faults"
	else
		pass "$name is sound"
	fi
	# groff would quote the whole row.
	if grep -n '^\.It Ql .* Ta ' "$page"; then
		fail "$name has tables whose rows begin with a quotation"
	else
		pass "$name reads well in groff, too"
	fi
done
# With any other the services and their keeper die with otpd.
unit=$OTPD_SRCDIR/contrib/systemd/otpd.service
if grep -qx KillMode=process "$unit" && grep -qx OOMPolicy=continue "$unit"
then
	pass "the unit leaves services alone, as otpd.8 says"
else
	fail "the unit does not do what otpd.8 says"
fi
# It takes over what runs, whatever somebody has written into the file since.
if grep -q ExecStartPre= "$unit"; then
	fail "the unit checks the file before services that run are taken over"
else
	pass "the unit lets otpd take over without the file"
fi
for page in otpd.8 otpctl.1 otpd.json.5 otp-semantics.7 otp-protocol.7 otp-agent.8 otp-pool.8 otp-port.8; do
	if [ -f "$OTPD_SRCDIR/man/$page" ]; then
		pass "there is a page $page"
	else
		fail "there is no page $page"
	fi
done
finish
