"""The C SDK of FISCO BCOS 3.x publishes and subscribes: commands with tabs on standard input, events as lines of JSON
on standard output.

    csdk.py LIBRARY CONFIG

LIBRARY is libbcos-sdk-jni.so, which exports the C functions; CONFIG is a file in the SDK's INI format.
"""

import ctypes
import hashlib
import json
import os
import random
import sys
import threading
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint32, c_void_p

TIMEOUT_MS = 30_000


class Response(ctypes.Structure):
    _fields_ = [("error", c_int), ("text", c_char_p), ("data", c_void_p), ("size", c_size_t), ("context", c_void_p)]

    def payload(self):
        return ctypes.string_at(self.data, self.size) if self.data and self.size else b""


DELIVERED = CFUNCTYPE(None, c_char_p, c_char_p, POINTER(Response))
ANSWERED = CFUNCTYPE(None, POINTER(Response))

# The SDK may write to standard output, so events go to a copy of it.
OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
LOCK = threading.Lock()


def event(kind, payload=None, **details):
    line = {"event": kind, **details}
    if payload is not None:
        line.update(bytes=len(payload), sha256=hashlib.sha256(payload).hexdigest())
        if len(payload) <= 200:
            try:
                line["text"] = payload.decode()
            except UnicodeDecodeError:
                pass
    with LOCK:
        OUT.write(json.dumps(line, ensure_ascii=False) + "\n")
        OUT.flush()


def make(spec):
    """A payload: text:..., or size:N for N bytes that are always the same."""
    kind, value = spec.split(":", 1)
    return value.encode() if kind == "text" else random.Random(int(value)).randbytes(int(value))


def load(path):
    library = ctypes.CDLL(path)
    library.bcos_sdk_create_by_config_file.restype = c_void_p
    library.bcos_sdk_create_by_config_file.argtypes = [c_char_p]
    library.bcos_sdk_start.argtypes = [c_void_p]
    library.bcos_sdk_get_last_error_msg.restype = c_char_p
    library.bcos_amop_subscribe_topic_with_cb.argtypes = [c_void_p, c_char_p, DELIVERED, c_void_p]
    library.bcos_amop_publish.argtypes = [c_void_p, c_char_p, c_char_p, c_size_t, c_uint32, ANSWERED, c_void_p]
    library.bcos_amop_broadcast.argtypes = [c_void_p, c_char_p, c_char_p, c_size_t]
    library.bcos_amop_send_response.argtypes = [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]
    return library


class Program:
    def __init__(self, library, config):
        self.library = load(library)
        self.callbacks = []
        self.sdk = self.library.bcos_sdk_create_by_config_file(config.encode())
        self.check()
        self.library.bcos_sdk_start(self.sdk)
        self.check()

    def check(self):
        if not self.sdk or self.library.bcos_sdk_get_last_error():
            raise RuntimeError(self.library.bcos_sdk_get_last_error_msg().decode())

    def subscribe(self, topic, answer):
        def delivered(endpoint, seq, response):
            payload = response.contents.payload()
            event("received", payload, seq=seq.decode())
            if answer != "silence" and seq:
                reply = payload if answer == "echo" else make(answer)
                self.library.bcos_amop_send_response(self.sdk, endpoint, seq, reply, len(reply))

        callback = DELIVERED(delivered)
        # The SDK calls it for ever.
        self.callbacks.append(callback)
        self.library.bcos_amop_subscribe_topic_with_cb(self.sdk, topic.encode(), callback, None)

    def unicast(self, topic, spec):
        payload = make(spec)
        self.library.bcos_amop_publish(self.sdk, topic.encode(), payload, len(payload), TIMEOUT_MS, answered, None)

    def multicast(self, topic, spec):
        payload = make(spec)
        self.library.bcos_amop_broadcast(self.sdk, topic.encode(), payload, len(payload))


@ANSWERED
def answered(response):
    response = response.contents
    text = (response.text or b"").decode(errors="replace")
    event("answered", response.payload(), code=response.error, error=text)


def main():
    try:
        program = Program(sys.argv[1], sys.argv[2])
    except Exception as error:
        event("failed", error=str(error))
        os._exit(1)
    event("connected")
    for line in sys.stdin:
        words = line.rstrip("\n").split("\t")
        try:
            getattr(program, words[0])(*words[1:])
            event("did", text=words[0])
        except Exception as error:
            event("failed", text=words[0], error=str(error))
    # The SDK's threads would keep the process.
    os._exit(0)


main()
