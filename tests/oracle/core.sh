#!/bin/sh
# SPDX-License-Identifier: ISC
# The recorded traces of OTP's own supervisor, replayed on the core alone.
exec "${OTPD_BUILDDIR:-.}/tests/oracle/oracle_core" -v \
    "${OTPD_SRCDIR:-.}/tests/oracle/cases"
