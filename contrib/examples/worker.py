#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A counter as a gen_server in plain Python, with no library: everything it
needs is in otp-protocol(7).

	"start": ["/path/to/worker.py"], "kind": "gen_server", "name": "pycounter"

Calls: {"op":"get"}, {"op":"increment","by":N}, {"op":"watch","target":NAME},
{"op":"ends"}, {"op":"stop","reason":R}.  A cast of {"op":"reset"} begins anew.
By hand, without otpd: worker.py -s SOCKET.
"""
import json
import os
import selectors
import socket
import struct
import sys
import time

HEADER = struct.Struct("=IBBHQQ")
FIXED = struct.Struct("=IHHIiQ")
(HELLO, CALL, REPLY, ERROR, CAST, INFO, DOWN, EXIT, SYSTEM) = range(1, 10)
REFUSED, TOO_LARGE, PROTOCOL = 4, 5, 6
MORE = 1
FROM_PARENT = 1
MAGIC, VERSION = 0x4450544f, 1
MAX_PAYLOAD = 1 << 20
MAX_HELLO = 8192
MAX_QUEUED = 8 << 20
MAX_WAITING = 1000               # while it is suspended


class Gone(Exception):
    """The other side is gone, or breaks the protocol."""


class Connection:
    """One end of a connection: frames in, frames out, never waiting."""

    def __init__(self, sock, name="", path="", pid=0, generation=0):
        self.sock, self.inbox, self.outbox = sock, b"", b""
        self.max_payload = None         # until its HELLO has come
        sock.setblocking(False)
        payload = FIXED.pack(MAGIC, VERSION, 0, MAX_PAYLOAD, pid, generation)
        if pid:
            payload += name.encode() + b"\0" + path.encode() + b"\0"
        self.send(HELLO, payload)

    def send(self, kind, payload=b"", ref=0, tag=0, flags=0):
        self.outbox += HEADER.pack(len(payload), kind, flags, tag, ref, 0)
        self.outbox += payload
        if len(self.outbox) > MAX_QUEUED:
            raise Gone("does not read")

    def say(self, kind, message, ref=0):
        self.send(kind, json.dumps(message).encode(), ref)

    def reply(self, ref, message):
        text = json.dumps(message).encode()
        size = self.max_payload
        while len(text) > size:
            self.send(REPLY, text[:size], ref, flags=MORE)
            text = text[size:]
        self.send(REPLY, text, ref)

    def flush(self):
        while self.outbox:
            try:
                sent = self.sock.send(self.outbox)
            except BlockingIOError:
                return
            except OSError as error:
                raise Gone(str(error))
            self.outbox = self.outbox[sent:]

    def receive(self):
        """Read once, and yield every whole frame behind the HELLO."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            raise Gone(str(error))
        if not data:
            raise Gone("closed")
        self.inbox += data
        while len(self.inbox) >= HEADER.size:
            length, kind, flags, tag, ref, deadline = \
                HEADER.unpack_from(self.inbox)
            limit = MAX_HELLO if self.max_payload is None else MAX_PAYLOAD
            if kind < HELLO or kind > SYSTEM or length > limit:
                self.send(ERROR, b"not a frame that is taken here",
                          tag=TOO_LARGE if length > limit else PROTOCOL)
                self.flush()
                raise Gone("protocol")
            if len(self.inbox) < HEADER.size + length:
                return
            payload = self.inbox[HEADER.size:HEADER.size + length]
            self.inbox = self.inbox[HEADER.size + length:]
            if kind == HELLO or self.max_payload is None:
                self.greeted(kind, payload)
            else:
                yield kind, flags, tag, ref, deadline, payload

    def greeted(self, kind, payload):
        if kind != HELLO or len(payload) < FIXED.size:
            raise Gone("no HELLO")
        magic, version, _, size, _, self.generation = \
            FIXED.unpack_from(payload)
        if magic != MAGIC or version != VERSION or size < 1024:
            raise Gone("a HELLO of something else")
        self.max_payload = size


class Server:
    """The part that is the same in every worker."""

    def __init__(self):
        self.loop = selectors.DefaultSelector()
        self.callers, self.waiting = set(), []
        self.suspended, self.ended = False, None
        self.name = os.environ.get("OTP_NAME", "")
        self.path = os.environ.get("OTP_PATH", "")
        self.allowed = self.read_allowed(os.environ.get("OTP_ALLOW", ""))
        self.link, self.next_ref = None, 1
        if len(sys.argv) == 3 and sys.argv[1] == "-s":
            self.listen = socket.socket(socket.AF_UNIX)
            self.path = sys.argv[2]
            self.listen.bind(self.path)
            self.listen.listen()
        elif "OTP_LINK" in os.environ:
            link = socket.socket(fileno=int(os.environ.pop("OTP_LINK")))
            self.listen = socket.socket(
                fileno=int(os.environ.pop("OTP_LISTEN")))
            link.set_inheritable(False)
            self.listen.set_inheritable(False)
            self.link = Connection(link, self.name, self.path, os.getpid())
            self.loop.register(link, selectors.EVENT_READ, self.link)
        else:
            sys.exit("usage: worker.py -s SOCKET, or start it by otpd")
        self.listen.setblocking(False)

    @staticmethod
    def read_allowed(text):
        words = [word.split(":") for word in text.split()]
        return {(kind, int(number)) for kind, number in words}

    def tell(self, **message):
        """Say something to otpd, if there is one."""
        if self.link:
            self.link.say(CAST, message)

    def run(self):
        self.init()
        self.tell(op="trap_exit", on=True)
        self.tell(op="ready")
        self.loop.register(self.listen, selectors.EVENT_READ, None)
        while self.ended is None:
            for key, _ in self.loop.select():
                if key.fileobj is self.listen:
                    self.accept()
                else:
                    self.hear(key.data)
                if self.ended is not None:
                    break
            self.flush()
        return self.finish()

    def accept(self):
        try:
            sock, _ = self.listen.accept()
        except OSError:
            return
        generation = getattr(self.link, "generation", 0) if self.link else 0
        caller = Connection(sock, self.name, self.path, os.getpid(),
                            generation)
        pid, uid, gid = struct.unpack("=iII", sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (0, os.geteuid()) and ("uid", uid) not in self.allowed \
                and ("gid", gid) not in self.allowed:
            caller.send(ERROR, b"not for this user", tag=REFUSED)
            try:
                caller.flush()
            except Gone:
                pass
            sock.close()
            return
        self.callers.add(caller)
        self.loop.register(sock, selectors.EVENT_READ, caller)

    def hear(self, conn):
        try:
            for frame in conn.receive():
                self.frame(conn, *frame)
                if self.ended is not None:
                    return
        except Gone:
            self.drop(conn)

    def drop(self, conn):
        if conn.sock.fileno() < 0:
            return
        self.loop.unregister(conn.sock)
        conn.sock.close()
        self.callers.discard(conn)
        if conn is self.link:
            self.link = None            # otpd is gone; serve on

    def flush(self):
        for conn in list(self.callers) + ([self.link] if self.link else []):
            try:
                conn.flush()
            except Gone:
                self.drop(conn)
                continue
            events = selectors.EVENT_READ
            if conn.outbox:
                events |= selectors.EVENT_WRITE
            self.loop.modify(conn.sock, events, conn)

    def frame(self, conn, kind, flags, tag, ref, deadline, payload):
        if kind == SYSTEM:
            self.system(conn, tag, ref, payload)
        elif conn is self.link and kind == EXIT and flags & FROM_PARENT:
            self.ended = json.loads(payload)["reason"]
        elif self.suspended:
            if len(self.waiting) == MAX_WAITING:
                raise Gone("too much waits")
            self.waiting.append((conn, kind, ref, deadline, payload))
        else:
            self.message(conn, kind, ref, deadline, payload)

    def message(self, conn, kind, ref, deadline, payload):
        if kind == CALL:
            if not deadline or deadline > time.monotonic_ns():
                self.handle_call(conn, ref, self.parse(payload))
        elif kind == CAST:
            self.handle_cast(self.parse(payload))
        elif conn is self.link and kind == DOWN:
            self.handle_down(ref, json.loads(payload))
        elif kind == INFO or conn is self.link:
            pass                        # nothing that concerns this server
        else:
            conn.send(ERROR, b"not for a server", tag=PROTOCOL)
            conn.flush()
            raise Gone("protocol")

    @staticmethod
    def parse(payload):
        try:
            return json.loads(payload)
        except ValueError:
            return None

    def system(self, conn, tag, ref, payload):
        ok = {"result": "ok"}
        if tag == 1:
            answer = {"state": self.state()}
        elif tag == 2:
            answer = {"behaviour": "gen_server", "name": self.name,
                      "status": "suspended" if self.suspended else "running",
                      "path": self.path, "pid": os.getpid(),
                      "state": self.state()}
        elif tag == 3:
            self.suspended, answer = True, ok
        elif tag == 4:
            self.suspended, answer = False, ok
        elif tag == 8:
            self.ended, answer = payload.decode() or "normal", ok
        else:
            answer = {"error": "undefined",
                      "message": "this worker does not do that"}
        conn.reply(ref, answer)
        while self.waiting and not self.suspended and self.ended is None:
            waiting, *message = self.waiting.pop(0)
            if waiting in self.callers or waiting is self.link:
                try:
                    self.message(waiting, *message)
                except Gone:
                    self.drop(waiting)

    def finish(self):
        """The last words, to otpd and to all callers."""
        self.terminate(self.ended)
        self.tell(op="reason", reason=self.ended)
        for caller in self.callers:
            caller.say(DOWN, {"reason": self.ended})
        self.flush()
        if self.ended in ("normal", "shutdown") or \
                self.ended.startswith("{shutdown,"):
            return 0
        return 1


class Counter(Server):
    """What is this worker's own."""

    def init(self):
        self.count, self.ends, self.watched = 0, [], {}

    def state(self):
        return {"count": self.count}

    def handle_call(self, conn, ref, request):
        op = request.get("op") if isinstance(request, dict) else None
        if op == "increment":
            self.count += request.get("by", 1)
        elif op == "watch":
            self.watched[self.next_ref] = request["target"]
            self.tell(op="monitor", ref=str(self.next_ref),
                      target=request["target"])
            self.next_ref += 1
        elif op == "ends":
            conn.reply(ref, {"ends": self.ends})
            return
        elif op == "stop":
            self.ended = request["reason"]      # and no reply
            return
        elif op != "get":
            conn.reply(ref, {"error": "bad_request"})
            return
        conn.reply(ref, {"count": self.count})

    def handle_cast(self, message):
        if message == {"op": "reset"}:
            self.count = 0

    def handle_down(self, ref, down):
        target = self.watched.pop(ref, None)
        if target is not None:
            self.ends.append({"target": target, "reason": down["reason"]})

    def terminate(self, reason):
        print("ending at %d: %s" % (self.count, reason), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(Counter().run())
