# SPDX-License-Identifier: ISC
# Completion of otpctl for fish.

function __otpctl_paths
    otpctl status --timeout 1 2>/dev/null | awk '
    {
        match($0, /^ */)
        depth = RLENGTH / 2
        part[depth] = $1
        path = ""
        for (i = 1; i <= depth; i++)
            path = path (i > 1 ? "/" : "") part[i]
        print depth == 0 ? $1 : path
    }'
end

function __otpctl_apps
    otpctl apps --timeout 1 2>/dev/null | awk 'NR > 1 { print $1 }'
end

set -l with_paths status is-running is-failed wait start stop restart \
    signal logs why start-child terminate-child restart-child delete-child \
    which-children count-children partition task call cast send agent pool
set -l without sync reload check shutdown events failed info resume upgrade sys \
    registry publish apps app help

complete -c otpctl -f
complete -c otpctl -s q -d 'Nothing about what went well'
complete -c otpctl -s r -r -a '(__fish_complete_directories)' -d 'Runtime directory'
complete -c otpctl -l json -d 'Print JSON'
complete -c otpctl -l timeout -x -d 'How long to wait'
complete -c otpctl -s h -l help -d 'The commands'
complete -c otpctl -s V -l version -d 'The version'
complete -c otpctl -n "not __fish_seen_subcommand_from $with_paths $without" \
    -a "$with_paths $without"
complete -c otpctl -n "__fish_seen_subcommand_from $with_paths" -a '(__otpctl_paths)'
complete -c otpctl -n '__fish_seen_subcommand_from wait' \
    -a 'starting running stopping backoff stopped failed gone'
complete -c otpctl -n '__fish_seen_subcommand_from signal' \
    -a 'HUP INT QUIT TERM KILL USR1 USR2 STOP CONT'
complete -c otpctl -n '__fish_seen_subcommand_from sys' \
    -a 'get-state get-status suspend resume statistics trace replace-state change-code terminate'
complete -c otpctl -n '__fish_seen_subcommand_from agent' \
    -a 'get put update delete get-and-update'
complete -c otpctl -n '__fish_seen_subcommand_from app' \
    -a 'start stop restart env (__otpctl_apps)'
complete -c otpctl -n '__fish_seen_subcommand_from app' -l alone -d 'Not what it needs'
complete -c otpctl -n '__fish_seen_subcommand_from task' -a run
complete -c otpctl -n '__fish_seen_subcommand_from task' -l sup -x -a '(__otpctl_paths)' -d 'The supervisor'
complete -c otpctl -n '__fish_seen_subcommand_from task' -l max-concurrency -x -d 'At once'
complete -c otpctl -n '__fish_seen_subcommand_from task' -l unordered -d 'As they end'
complete -c otpctl -n '__fish_seen_subcommand_from task' -s 0 -l null -d 'Lines end with NUL'
complete -c otpctl -n '__fish_seen_subcommand_from task' -l no-stdin -d 'One command'
complete -c otpctl -n '__fish_seen_subcommand_from check upgrade' -F
complete -c otpctl -n '__fish_seen_subcommand_from help' -a "$with_paths $without"
complete -c otpctl -n '__fish_seen_subcommand_from events logs' -s f -l follow -d 'Go on with what is new'
complete -c otpctl -n '__fish_seen_subcommand_from logs why' -s n -x -d 'Number of lines'
complete -c otpctl -n '__fish_seen_subcommand_from events' -l since -x -d 'From this number on'
complete -c otpctl -n '__fish_seen_subcommand_from registry publish' \
    -a "(otpctl registry --timeout 1 2>/dev/null | awk 'NR > 1 { print \$1 }')"
complete -c otpctl -n '__fish_seen_subcommand_from registry' -l prefix -x -d 'Keys that begin so'
complete -c otpctl -n '__fish_seen_subcommand_from reload' -l dry-run -d 'Only say what would be done'
