#!/bin/sh
# SPDX-License-Identifier: ISC
# otpd is killed at some of its calls.
exec "$OTPD_BUILDDIR/tests/crash/otpd_kills"
