#!/bin/sh
# SPDX-License-Identifier: ISC
# What OTP's own supervisor did, replayed against a running otpd; then the
# generated scenarios that once found a mistake.
cd "$OTPD_SRCDIR" || exit 99
run=$OTPD_BUILDDIR/tests/oracle/oracle_processes
"$run" tests/oracle/cases
one=$?
"$run" tests/oracle/found
two=$?
exit $((one || two))
