#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A key-value store in Python, run by otp-port(8):

	"start": ["/usr/libexec/otpd/otp-port", "/path/to/port_python.py"],
	"kind": "gen_server", "name": "store"

Calls: {"op":"get","key":K}, {"op":"put","key":K,"value":V}, {"op":"keys"},
{"op":"watch","who":NAME}: forget the key NAME when that process ends.
{"op":"follow","registry":R,"topic":T}: from now on take over what is published
there, {"key":K,"value":V}; {"op":"tell","registry":R,"topic":T,"key":K}:
publish what it has; {"op":"name","name":NAME}: serve by this name, too.
"""
import json
import sys


def say(line):
    print(json.dumps(line), flush=True)


class Store:
    def __init__(self):
        self.values = {}

    def call(self, request):
        op = request.get("op")
        if op == "get":
            return {"value": self.values.get(request["key"])}
        if op == "put":
            self.values[request["key"]] = request["value"]
            return {"result": "ok"}
        if op == "keys":
            return {"keys": sorted(self.values)}
        if op == "watch":
            say({"monitor": request["who"], "ref": request["who"]})
            return {"result": "ok"}
        return {"error": "bad_request"}

    def ask(self, request, ref):
        """What is left to otpd: the caller is answered when otpd has."""
        op = request.get("op")
        ref = {"reply to": ref}
        where = {"registry": request.get("registry"), "ref": ref}
        if op == "follow":
            say({"subscribe": request["topic"], **where})
        elif op == "tell":
            key = request["key"]
            message = {"key": key, "value": self.values.get(key)}
            say({"publish": message, "topic": request["topic"], **where})
        elif op == "name":
            say({"register": request["name"], "ref": ref})
        else:
            return False
        return True

    def answered(self, line):
        ref = line["ref"]
        if isinstance(ref, dict):       # else it was not able to watch
            result = {"error": line["failed"]} if "failed" in line else {
                "result": line["response"]}
            say({"reply": result, "ref": ref["reply to"]})

    def heard(self, message):
        if isinstance(message, dict):   # anybody may send anything
            self.values[message.get("key")] = message.get("value")

    def down(self, line):
        self.values.pop(line["ref"], None)


def main():
    store = Store()
    say({"ready": True})
    for text in sys.stdin:
        line = json.loads(text)
        if "call" in line:
            # A bug in here ends the program, and so the server: otpd starts
            # a new one, and the caller learns why it got no answer.
            if not store.ask(line["call"], line["ref"]):
                say({"reply": store.call(line["call"]), "ref": line["ref"]})
        elif "response" in line or "failed" in line:
            store.answered(line)
        elif "info" in line:
            store.heard(line["info"])
        elif "down" in line:
            store.down(line)
        elif "stop" in line:
            print("stopping:", line["stop"], file=sys.stderr)
            break
        say({"state": store.values})


if __name__ == "__main__":
    main()
