#!/bin/sh
# SPDX-License-Identifier: ISC
#
# A counter in plain shell, run by otp-port(8):
#
#	"start": ["/usr/libexec/otpd/otp-port", "/path/to/port_shell.sh"],
#	"kind": "gen_server", "name": "shell"
#
# Calls: "get", "increment", "crash".  A cast of "reset" begins anew.  What it
# says on standard error is in its log.

count=0
echo '{"ready":true}'

while IFS= read -r line; do
	case $line in
	'{"ref":'*)				# a call: the ref comes first
		ref=${line#'{"ref":"'}
		ref=${ref%%'"'*}
		case $line in
		*'"call":"increment"}')	count=$((count + 1)) ;;
		*'"call":"get"}')	;;
		*'"call":"crash"}')	exit 3 ;;
		*)	echo "{\"reply\":{\"error\":\"what?\"},\"ref\":\"$ref\"}"
			continue ;;
		esac
		echo "{\"reply\":{\"count\":$count},\"ref\":\"$ref\"}" ;;
	'{"cast":"reset"}')
		echo "reset at $count" >&2
		count=0 ;;
	'{"stop":'*)
		exit 0 ;;
	esac
	echo "{\"state\":$count}"
done
