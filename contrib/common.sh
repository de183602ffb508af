# SPDX-License-Identifier: ISC
# shellcheck disable=SC2034 # used by those who source this
# What run.sh and test.sh share: finding what is missing, installing it where
# we may, and building out of the source tree.  Source it; it does nothing.

top=$(cd "$(dirname "$0")/.." && pwd)

say() { echo "== $*"; }
die() { echo "$0: $*" >&2; exit 1; }

# installed PACKAGE...: true when all are.
installed() {
	for _p in "$@"; do
		dpkg-query -W -f '${Status}' "$_p" 2>/dev/null |
		    grep -q 'install ok installed' || return 1
	done
}

# missing PACKAGE...: those that are not installed.
missing() {
	for _p in "$@"; do
		installed "$_p" || printf '%s ' "$_p"
	done
}

# A package's installation must not start its daemon.  Debian asks
# policy-rc.d; ours is there only while we install, and only if there is none.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
forbid_services() {
	[ -e "$policy" ] && return
	policy_is_ours=yes
	printf '#!/bin/sh\nexit 101\n' > "$policy"
	chmod 755 "$policy"
}
allow_services() {
	[ -n "$policy_is_ours" ] || return 0
	rm -f "$policy"
	policy_is_ours=
}

# want PACKAGE...: install what is missing of them, or say what to install.
want() {
	command -v dpkg-query >/dev/null || {
		echo "not a Debian: make sure yourself of: $*"
		return 0
	}
	# shellcheck disable=SC2046 # a list
	set -- $(missing "$@")
	[ $# -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] ||
	    die "please install, as root: apt-get install $*"
	say "installing $*"
	trap allow_services EXIT
	trap 'exit 1' INT TERM HUP
	forbid_services
	apt_install "$@" || {
		apt-get update -q && apt_install "$@"
	} || die "cannot install $*"
	allow_services
	trap - EXIT INT TERM HUP
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
	    --no-install-recommends "$@"
}

build_needs="autoconf automake libtool gcc libc6-dev make pkg-config libbsd-dev
    libcjson-dev"

# source_copy DIR: the source tree, generated files left out, in DIR.  The
# tree itself may be read-only, or in the middle of being worked on.
source_copy() {
	mkdir -p "$1" && (cd "$top" && tar -cf - --exclude=./.git \
	    --exclude=./configure --exclude=./config.status \
	    --exclude=./Makefile --exclude=./autom4te.cache \
	    --exclude='*.o' .) | (cd "$1" && tar -xf -)
}

# build SRC DIR [configure options]: SRC, a copy, is built in DIR.
build() {
	_src=$1 _dir=$2
	shift 2
	if ! [ -x "$_src/configure" ]; then
		(cd "$_src" && autoreconf -i) > "$_src.log" 2>&1 || {
			cat "$_src.log"
			die "autoreconf failed"
		}
	fi
	mkdir -p "$_dir"
	(cd "$_dir" && "$_src/configure" -q "$@" && make -s -j2) \
	    > "$_dir.log" 2>&1 || {
		tail -n 60 "$_dir.log"
		die "the build failed"
	}
}
