#!/bin/sh
# SPDX-License-Identifier: ISC
# The same traces while the engine is killed again and again.
seed=${OTPD_SEED:-$(date +%s)}
echo "seed $seed (OTPD_SEED)"
exec "$OTPD_BUILDDIR/tests/oracle/oracle_processes" -k "$seed" \
    "$OTPD_SRCDIR/tests/oracle/cases"
