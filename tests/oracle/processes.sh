#!/bin/sh
# SPDX-License-Identifier: ISC
# What OTP's own supervisor did, replayed against a running otpd.
exec "$OTPD_BUILDDIR/tests/oracle/oracle_processes" "$OTPD_SRCDIR/tests/oracle/cases"
