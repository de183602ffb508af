#!/usr/bin/env escript
%% SPDX-License-Identifier: ISC
%% What calls.c measures, with OTP's own gen_server in one VM: messages a
%% second, counted when the server has handled the last one.
%%! +sbwt default
-mode(compile).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

init(_) -> {ok, 0}.
handle_call(Request, _From, State) -> {reply, Request, State}.
handle_cast(_Message, State) -> {noreply, State}.

main([What, N, Senders]) ->
    Count = list_to_integer(N),
    Pids = list_to_integer(Senders),
    {ok, Server} = gen_server:start_link(?MODULE, [], []),
    run(What, Server, Count div 10 + 1, Pids),
    Began = erlang:monotonic_time(),
    run(What, Server, Count, Pids),
    Took = erlang:monotonic_time() - Began,
    Seconds = erlang:convert_time_unit(Took, native, nanosecond) / 1.0e9,
    io:format("~.1f~n", [Count * Pids / Seconds]).

run(What, Server, Count, Pids) ->
    Send = fun() -> send(What, Server, Count, binary:copy(<<0>>, 64)) end,
    Workers = [spawn_monitor(Send) || _ <- lists:seq(1, Pids)],
    [receive {'DOWN', Ref, process, Pid, normal} -> ok end ||
        {Pid, Ref} <- Workers].

send("calls", Server, Count, Payload) ->
    [gen_server:call(Server, Payload) || _ <- lists:seq(1, Count)];
send("casts", Server, Count, Payload) ->
    casts(Server, Count, Payload),
    gen_server:call(Server, Payload, infinity);
send("window", Server, Count, Payload) ->
    First = [gen_server:send_request(Server, Payload) ||
        _ <- lists:seq(1, 64)],
    window(Server, Count - 64, Payload, queue:from_list(First)).

casts(_, 0, _) -> ok;
casts(Server, Count, Payload) ->
    gen_server:cast(Server, Payload),
    casts(Server, Count - 1, Payload).

window(Server, Count, Payload, Queue) ->
    case queue:out(Queue) of
        {empty, _} -> ok;
        {{value, Request}, Rest} ->
            {reply, _} = gen_server:receive_response(Request, 5000),
            case Count > 0 of
                true ->
                    Next = gen_server:send_request(Server, Payload),
                    window(Server, Count - 1, Payload,
                        queue:in(Next, Rest));
                false -> window(Server, 0, Payload, Rest)
            end
    end.
