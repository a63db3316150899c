"""Google's side of the test.

    random_messages.py write FILES SEED COUNT    prints messages: type, wire format, JSON
    random_messages.py check FILES               reads them with the results of the other side
    random_messages.py read FILES                reads texts and prints how Google's library reads them
"""

import base64
import json
import random
import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

TYPES = ["broad.All", "two.Two"]

FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-45, 3.4028234663852886e38, float("inf"), float("-inf"), float("nan")]
DOUBLES = FLOATS + [5e-324, 1.7976931348623157e308, 9007199254740993.0, 1e22, 123456789.12345678]
TEXTS = ["", "a", "NaN", "é", "\U0001f600", "\n\t\"\\/\x00\x7f\u2028", "1", "null", "<&>"]
PATHS = ["a", "a_b", "foo_bar.baz_qux", "x.y.z", "a1_b"]


def pool_of(path):
    files = descriptor_pb2.FileDescriptorSet.FromString(open(path, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    return pool


def message_class(pool, name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


class Random(random.Random):
    def __init__(self, pool, seed):
        super().__init__(seed)
        self.pool = pool
        # Entries of a map have no order on the wire, and an `Any` is compared by its bytes.
        self.entries = 3

    def scalar(self, field):
        of = field.cpp_type
        if of == F.CPPTYPE_DOUBLE:
            if self.random() < 0.5:
                return self.choice(DOUBLES)
            value = struct.unpack("d", struct.pack("Q", self.getrandbits(64)))[0]
            return value if value == value else 0.0
        if of == F.CPPTYPE_FLOAT:
            if self.random() < 0.5:
                return self.choice(FLOATS)
            value = struct.unpack("f", struct.pack("I", self.getrandbits(32)))[0]
            return value if value == value else 0.0
        if of == F.CPPTYPE_BOOL:
            return self.random() < 0.5
        if of == F.CPPTYPE_STRING:
            if field.type == F.TYPE_BYTES:
                return bytes(self.getrandbits(8) for _ in range(self.randrange(8)))
            return self.choice(TEXTS) + self.choice(TEXTS)
        if of == F.CPPTYPE_ENUM:
            values = [value.number for value in field.enum_type.values]
            if field.enum_type.full_name == "broad.Color":
                values += [77, -2147483648, 2147483647]
            return self.choice(values)
        low, high = {
            F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
            F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
            F.CPPTYPE_UINT32: (0, 2**32 - 1),
            F.CPPTYPE_UINT64: (0, 2**64 - 1),
        }[of]
        return self.choice([low, high, 0, 1, self.randint(low, high), min(high, 2**53 + 1)])

    def fill(self, message, depth):
        name = message.DESCRIPTOR.full_name
        known = getattr(self, name.replace(".", "_"), None)
        if known:
            known(message, depth)
            return
        for field in message.DESCRIPTOR.fields:
            required = field.name == "required"
            if not required and self.random() < (0.75 if depth < 3 else 0.9):
                continue
            nested = field.message_type
            if nested and nested.GetOptions().map_entry:
                self.fill_map(getattr(message, field.name), nested, depth)
            elif field.is_repeated:
                values = getattr(message, field.name)
                for _ in range(self.randrange(4)):
                    if not nested:
                        values.append(self.scalar(field))
                    elif depth:
                        self.fill(values.add(), depth - 1)
            elif not nested:
                setattr(message, field.name, self.scalar(field))
            elif depth:
                part = getattr(message, field.name)
                part.SetInParent()
                self.fill(part, depth - 1)

    def fill_map(self, values, entry, depth):
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for _ in range(self.randrange(self.entries + 1)):
            at = self.scalar(key)
            if not value.message_type:
                values[at] = self.scalar(value)
            elif depth:
                self.fill(values[at], depth - 1)

    def google_protobuf_Any(self, message, depth):
        kind = self.randrange(4)
        if kind == 0 or not depth:
            return
        names = ["broad.All.Inner", "two.Two", "google.protobuf.Timestamp", "google.protobuf.Int64Value"]
        names += ["google.protobuf.Struct", "google.protobuf.Any", "google.protobuf.FieldMask"]
        names += ["google.protobuf.Value"]
        inner = message_class(self.pool, self.choice(names))()
        outer, self.entries = self.entries, 1
        self.fill(inner, depth - 1)
        self.entries = outer
        message.type_url = self.choice(["type.googleapis.com/", "x/y/"]) + inner.DESCRIPTOR.full_name
        message.value = inner.SerializeToString(deterministic=True)

    def google_protobuf_Timestamp(self, message, depth):
        limits = [-62135596800, 253402300799, 0, -1, self.randint(-62135596800, 253402300799)]
        message.seconds = self.choice(limits)
        message.nanos = self.nanos()

    def google_protobuf_Duration(self, message, depth):
        seconds = self.choice([315576000000, 0, 1, self.randint(0, 315576000000)])
        sign = self.choice([1, -1])
        message.seconds = sign * seconds
        message.nanos = sign * self.nanos()

    def nanos(self):
        return self.choice([0, 1, 1000, 1000000, 500000000, 999999999, self.randrange(10**9)])

    def google_protobuf_FieldMask(self, message, depth):
        message.paths.extend(self.choice(PATHS) for _ in range(self.randrange(4)))

    def google_protobuf_Value(self, message, depth):
        kind = self.randrange(6 if depth else 4)
        if kind == 0:
            message.null_value = 0
        elif kind == 1:
            value = self.choice(DOUBLES)
            message.number_value = value if value - value == 0 else 0.5
        elif kind == 2:
            message.string_value = self.choice(TEXTS)
        elif kind == 3:
            message.bool_value = self.random() < 0.5
        elif kind == 4:
            message.struct_value.SetInParent()
            self.google_protobuf_Struct(message.struct_value, depth - 1)
        else:
            message.list_value.SetInParent()
            self.google_protobuf_ListValue(message.list_value, depth - 1)

    def google_protobuf_Struct(self, message, depth):
        for _ in range(self.randrange(self.entries + 1)):
            self.google_protobuf_Value(message.fields[self.choice(TEXTS)], depth)

    def google_protobuf_ListValue(self, message, depth):
        for _ in range(self.randrange(3)):
            self.google_protobuf_Value(message.values.add(), depth)


def wire(message):
    return message.SerializeToString(deterministic=True)


def text(data):
    return base64.b64encode(data).decode()


def write(pool, seed, count):
    rng = Random(pool, seed)
    for _ in range(count):
        name = rng.choice(TYPES)
        message = message_class(pool, name)()
        rng.fill(message, 4)
        written = json_format.MessageToJson(message, indent=None, descriptor_pool=pool)
        print(json.dumps([name, text(wire(message)), written]))


def check(pool):
    """Each line: type, the message, the other side's JSON of it, and what the other side read in Google's."""
    for line in sys.stdin:
        name, original, written, read = json.loads(line)
        of = message_class(pool, name)
        expected = wire(of.FromString(base64.b64decode(original)))
        parsed = json_format.Parse(written, of(), descriptor_pool=pool)
        print(json.dumps([wire(parsed) == expected, wire(of.FromString(base64.b64decode(read))) == expected]))


def read(pool):
    """Each line: a type and a text. Prints the message, or null if the text is refused."""
    for line in sys.stdin:
        name, written = json.loads(line)
        of = message_class(pool, name)
        try:
            message = json_format.Parse(written, of(), ignore_unknown_fields=True, descriptor_pool=pool)
            print(json.dumps(text(wire(message))))
        except (json_format.ParseError, TypeError, ValueError, RecursionError):
            print("null")


if __name__ == "__main__":
    _, action, files, *rest = sys.argv
    {"write": write, "check": check, "read": read}[action](pool_of(files), *map(int, rest))
