#compdef otpctl
# SPDX-License-Identifier: ISC
# Completion of otpctl for zsh.

_otpctl_paths() {
	local -a where paths
	[[ -n ${opt_args[-r]} ]] && where=(-r ${opt_args[-r]})
	paths=(${(f)"$(otpctl $where status --timeout 1 2>/dev/null | awk '
	{
		match($0, /^ */)
		depth = RLENGTH / 2
		part[depth] = $1
		path = ""
		for (i = 1; i <= depth; i++)
			path = path (i > 1 ? "/" : "") part[i]
		print depth == 0 ? $1 : path
	}')"})
	compadd -a paths
}

_otpctl_commands() {
	local -a commands
	commands=(
		'status:show the tree, or parts of it'
		'is-running:exit 0 if it is running, 1 if not'
		'is-failed:exit 0 if it has failed, 1 if not'
		'wait:wait until it is in that state'
		'sync:wait until nothing starts, stops or is retried'
		'start:start children, wait for the outcome'
		'stop:stop children, wait until they are gone'
		'restart:stop children if they run, start them'
		"signal:send a signal to a child's process"
		'reload:read the configuration again, converge'
		'check:check a configuration, change nothing'
		'shutdown:stop everything in order'
		'events:what happened, one line each'
		"logs:a child's output"
		'why:what happened to a child, and what to do next'
		'failed:all that has failed, and recent obituaries'
		'info:otpd itself: version, processes, files'
		'resume:start the engine again that otpd has given up'
		'upgrade:let otpd become a newer one, under all that runs'
		'start-child:add a child to a supervisor, start it'
		'terminate-child:stop a child, keep its specification'
		'restart-child:start a child that is stopped'
		"delete-child:forget a stopped child's specification"
		"which-children:a supervisor's children, newest first"
		'count-children:how many of which kind'
		'task:run commands as supervised tasks'
		"partition:the path of a key's partition"
		'registry:registries, or what one holds'
		'publish:send to all under a key'
		'apps:the applications, in the order of need'
		'app:start or stop an application'
		'call:ask a gen_server, show its reply'
		'cast:tell a gen_server, without an answer'
		'send:send a gen_server a plain message'
		'sys:look into a gen_server, or suspend it'
		"agent:look into an agent's state, change it"
		'pool:how a pool stands, and who holds its workers'
		'help:the commands, or more about one'
	)
	_describe command commands
}

_otpctl() {
	local curcontext=$curcontext state line
	typeset -A opt_args
	_arguments -C \
		'-q[print nothing about what went well]' \
		'-r[runtime directory]:directory:_directories' \
		'--json[print JSON]' \
		'--timeout[how long to wait]:seconds:' \
		'(-f --follow)'{-f,--follow}'[go on with what is new]' \
		'-n[number of lines]:lines:' \
		'--since[events from this number on]:number:' \
		'--prefix[keys that begin so]:prefix:' \
		'--dry-run[only say what would be done]' \
		'--alone[not what the application needs]' \
		'--sup[of tasks: the supervisor]:supervisor:_otpctl_paths' \
		'--max-concurrency[of tasks: at once]:number:' \
		'--unordered[of tasks: as they end]' \
		'(-0 --null)'{-0,--null}'[of tasks: lines end with NUL]' \
		'--no-stdin[of tasks: one command]' \
		'(-h --help)'{-h,--help}'[print the commands]' \
		'(-V --version)'{-V,--version}'[print the version]' \
		'1:command:_otpctl_commands' \
		'*::argument:->argument'
	[[ $state == argument ]] || return
	case $words[1] in
	sync|reload|shutdown|events|failed|info|resume|apps) ;;
	app) if (( CURRENT == 2 )); then compadd start stop restart env
		elif (( CURRENT == 3 )); then
			compadd $(otpctl apps --timeout 1 2>/dev/null |
			    awk 'NR > 1 { print $1 }')
		fi ;;
	help) _otpctl_commands ;;
	check|upgrade) _files ;;
	signal) if (( CURRENT == 2 )); then _signals; else _otpctl_paths; fi ;;
	wait) if (( CURRENT == 2 )); then _otpctl_paths
		else compadd starting running stopping backoff stopped failed gone
		fi ;;
	sys) if (( CURRENT == 2 )); then
			compadd get-state get-status suspend resume statistics \
			    trace replace-state change-code terminate
		elif (( CURRENT == 3 )); then _otpctl_paths
		elif [[ $words[2] == trace ]]; then compadd on off
		fi ;;
	agent) if (( CURRENT == 2 )); then _otpctl_paths
		elif (( CURRENT == 3 )); then
			compadd get put update delete get-and-update
		fi ;;
	task) if (( CURRENT == 2 )); then compadd run
		elif (( CURRENT == 3 )); then _command_names -e
		else _files
		fi ;;
	registry|publish) if (( CURRENT == 2 )); then
			compadd ${(f)"$(otpctl registry --timeout 1 2>/dev/null |
			    awk 'NR > 1 { print $1 }')"}
		fi ;;
	*) _otpctl_paths ;;
	esac
}

_otpctl "$@"
