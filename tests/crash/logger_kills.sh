#!/bin/sh
# SPDX-License-Identifier: ISC
# The logger is killed at every so many of its calls.
OTP_LOGGER=$OTPD_BUILDDIR/otp-logger-fault \
	exec "$OTPD_BUILDDIR/tests/crash/logger_kills"
