#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A key-value store in Python, run by otp-port(8):

	"start": ["/usr/libexec/otpd/otp-port", "/path/to/port_python.py"],
	"kind": "gen_server", "name": "store"

Calls: {"op":"get","key":K}, {"op":"put","key":K,"value":V}, {"op":"keys"},
{"op":"watch","who":NAME}: forget the key NAME when that process ends.
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
            say({"reply": store.call(line["call"]), "ref": line["ref"]})
        elif "down" in line:
            store.down(line)
        elif "stop" in line:
            print("stopping:", line["stop"], file=sys.stderr)
            break
        say({"state": store.values})


if __name__ == "__main__":
    main()
