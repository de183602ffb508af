#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Looks at the sources with every tool that is installed: our own rules of
# size, cppcheck, clang-tidy, shellcheck, mandoc.  Prints what they find; exits
# 1 if one of them found something.  lint.sh [FILE...] looks at those only.
# $OTPD_BUILDDIR is where config.h is, if not here.
cd "$(dirname "$0")/.." || exit 1
found=0

have() {
	command -v "$1" >/dev/null || {
		echo "-- $1 is not installed: left out"
		return 1
	}
	echo "-- $1"
}

# Lines of 80 columns, functions of 70 lines, files of 600: KNF as we keep it.
# A function ends with a brace in the first column.
sizes() {
	echo "-- sizes"
	for f in "$@"; do
		case $f in
		*.h) max=400 ;;
		*) max=600 ;;
		esac
		expand "$f" | awk -v f="$f" -v max=$max '
		length($0) > 80 { print f ":" NR ": over 80 columns"; bad = 1 }
		/[ \t]$/ { print f ":" NR ": ends in a blank"; bad = 1 }
		NR == 1 && !/SPDX-License-Identifier: ISC/ {
			print f ":1: no licence line"; bad = 1
		}
		/^{/ { start = NR }
		/^}/ && start {
			if (NR - start - 1 > 70) {
				print f ":" start ": a function of " \
				    NR - start - 1 " lines"
				bad = 1
			}
			start = 0
		}
		END {
			if (NR > max) {
				print f ": " NR " lines, more than " max
				bad = 1
			}
			exit bad
		}' || found=1
	done
}

if [ $# -eq 0 ]; then
	set -- src/*/*.c src/*/*.h tests/*/*.c tests/*/*.h
fi
c_files=
for f in "$@"; do
	case $f in
	*\**) ;;
	*.c|*.h) c_files="$c_files $f" ;;
	esac
done

# shellcheck disable=SC2086 # lists, from here on
if [ -n "$c_files" ]; then
	sizes $c_files
	if have cppcheck; then
		cppcheck -q --std=c11 --language=c -Isrc -D_GNU_SOURCE \
		    --enable=warning,performance,portability --inline-suppr \
		    --library=contrib/cppcheck.cfg \
		    --suppressions-list=contrib/cppcheck.supp \
		    --error-exitcode=1 $c_files || found=1
	fi
	if have clang-tidy; then
		findings=$(clang-tidy -quiet $c_files -- -std=gnu11 \
		    -D_GNU_SOURCE -Isrc -Itests -Itests/unit \
		    -I"${OTPD_BUILDDIR:-.}" -I/usr/include/bsd \
		    -DLIBBSD_OVERLAY 2>/dev/null)
		echo "$findings"
		case $findings in
		*warning:*|*error:*) found=1 ;;
		esac
	fi
fi
if have shellcheck; then
	# shellcheck disable=SC2046
	shellcheck -x -s sh -S warning .ci/run $(find contrib tests -name '*.sh') ||
	    found=1
fi
if have mandoc; then
	mandoc -T lint -W warning man/*.[1-9] | grep -v 'manual not found' &&
	    found=1
fi
exit $found
