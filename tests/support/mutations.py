"""Seeded mutations of files: of any bytes, and of the structure of the formats that we read."""

import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from typing import Final

ESCAPES: Final = "\x1b[31mRED\x1b]0;title\x07\u202e[/bold][red]"
NUMBERS: Final = (
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "-0.0",
    "0.5",
    "255",
    "256",
    "1e-300",
    "1e300",
    "-1e30",
    "1e999",
    str(2**31),
    str(2**32),
    str(-(2**31)),
    str(2**53),
    str(2**63),
    str(10**19),
    "9" * 400,
    "9" * 5000,
    "0." + "1" * 5000,
)
JSON_VALUES: Final = (
    *NUMBERS,
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "true",
    "false",
    '""',
    '"x"',
    "[]",
    "{}",
    "[1, 2, 3]",
    '{"a": 1}',
    "[" * 60 + "]" * 60,
    "[" * 5000 + "]" * 5000,
    '{"a":' * 2000 + "1" + "}" * 2000,
    json.dumps(ESCAPES),
    json.dumps("n" * 100_000),
    '"\\ud800"',
    '"unit',
    "",
)
TOML_VALUES: Final = (
    *NUMBERS,
    "nan",
    "inf",
    "-inf",
    "true",
    '""',
    '"x"',
    "[]",
    "{}",
    "{a = 1}",
    "[" * 60 + "]" * 60,
    "[" * 3000 + "]" * 3000,
    "1979-05-27T07:32:00Z",
    "9999-99-99",
    "0x" + "f" * 5000,
    "'" + "n" * 100_000 + "'",
    '"\\u001b[31m"',
    '"\\ud800"',
    '"',
    "",
)
DTYPES: Final = (
    "BOOL",
    "U8",
    "I8",
    "I16",
    "U16",
    "F16",
    "BF16",
    "F8_E4M3",
    "I32",
    "U32",
    "F32",
    "F64",
    "I64",
    "U64",
    "X",
    "",
    "F4",
    "C64",
)
DESCRS: Final = (
    "<f4",
    "<f8",
    ">f4",
    "|u1",
    "|b1",
    "<i8",
    "<i4",
    "<u8",
    "<c8",
    "|O",
    "O",
    "<U3",
    "|S0",
    "<U0",
    "|V8",
    "f3",
    "<M8[s]",
    "u1,u1",
    "<f999",
    "|S999999999999",
    "\x1b[31m",
    "",
    "i" * 50,
)
SHAPES: Final = (
    "()",
    "(0,)",
    "(1,)",
    "(-1,)",
    "(-8, -8)",
    "(1000000000000,)",
    "(0, 1000000000000000000)",
    "(3L, 8L)",
    f"({'9' * 400},)",
    f"({'9' * 5000},)",
    "(1.5,)",
    "(1, 2, 3, 4, 5)",
    f"({'1,' * 70})",
    "[1]",
    "None",
    "(" * 300,
    "(True,)",
    "(4294967296, 4294967296)",
    "(9223372036854775807, 2)",
    "((1,),)",
    "1",
)
TOKEN: Final = re.compile(
    r'-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\]|\\.)*"|\btrue\b|\bfalse\b|\bnull\b|[\[\]{}:,]'
)
HEAD: Final = 8  # bytes of a safetensors header's length

Mutate = Callable[[random.Random, bytes], bytes]


def any_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip, cut, insert, repeat, clear or replace some bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(changed) + 1)
        near = slice(at, at + rng.choice((1, 2, 4, 8, 64)))
        match rng.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at:]
            case 2:
                changed[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
            case 3:
                changed[at:at] = changed[near]
            case 4:
                changed[near] = bytes(len(changed[near]))
            case 5:
                changed[near] = b"\xff" * len(changed[near])
            case _:
                del changed[near]
    return bytes(changed)


def json_text(rng: random.Random, text: str) -> str:
    """Replace a value, name or sign of a JSON text, or the whole text."""
    return _replaced(rng, text, TOKEN, JSON_VALUES)


def toml_text(rng: random.Random, data: bytes) -> bytes:
    """Replace a value of a TOML text, or add a line."""
    text = data.decode("utf-8", "surrogateescape")
    if rng.random() < 0.2:
        line = rng.choice(
            ("[train]", "x = 1", f'"{ESCAPES}" = 1', "a." * 3000 + "b = 1", "[" * 200, "=", "\x00")
        )
        lines = text.splitlines()
        lines.insert(
            rng.randrange(len(lines) + 1), line.replace("\x1b", "\\u001b").replace("\x07", "")
        )
        text = "\n".join(lines)
    else:
        text = _replaced(
            rng, text, re.compile(r'(?<== )[^\n{}]+|"[^"\n]*"|(?<== )\d+'), TOML_VALUES
        )
    return text.encode("utf-8", "surrogateescape")


def safetensors(rng: random.Random, data: bytes) -> bytes:
    """Change the header's metadata, a tensor's type, shape, place or name, or its values."""
    end = HEAD + int.from_bytes(data[:HEAD], "little")
    header, body = json.loads(data[HEAD:end]), bytearray(data[end:])
    metadata = header["__metadata__"]
    name = rng.choice([key for key in header if key != "__metadata__"])
    entry = header[name]
    match rng.randrange(8):
        case 0 | 1 | 2:
            key = rng.choice(list(metadata))
            metadata[key] = json_text(rng, metadata[key])
        case 3:
            key = rng.choice(list(metadata))
            metadata[key] = rng.choice(("", ESCAPES, "9" * 5000, "²", "-1", "n" * 100_000, "\x00"))
        case 4:
            entry["dtype"] = rng.choice(DTYPES)
        case 5:
            shape = rng.choice(([], [0], [1], [1 << 62, 4], [-1], entry["shape"][::-1], [1, 1, 1]))
            entry["shape"] = shape
        case 6:
            first, last = entry["data_offsets"]
            value = rng.choice((b"\xff", b"\x00", b"\x80\x7f", b"\xff\x7f", rng.randbytes(3)))
            body[first:last] = (value * (last - first))[: last - first]
        case _:
            header[rng.choice((ESCAPES, "x", "n" * 50_000))] = header.pop(name)
    text = json.dumps(header, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(HEAD, "little") + text + body


def npy(rng: random.Random, data: bytes) -> bytes:
    """Replace a field of the header, or some of the values."""
    if data[:6] != b"\x93NUMPY":
        return any_bytes(rng, data)
    length = int.from_bytes(data[8:10], "little")
    header, body = data[10 : 10 + length].decode("latin-1"), data[10 + length :]
    match rng.randrange(6):
        case 0 | 1:
            descr = rng.choice(DESCRS)
            header = re.sub(r"'descr': '[^']*'", lambda _: f"'descr': '{descr}'", header)
        case 2 | 3:
            shape = rng.choice(SHAPES)
            header = re.sub(r"'shape': \([^)]*\)", lambda _: f"'shape': {shape}", header)
        case 4:
            header = any_bytes(rng, header.encode("latin-1")).decode("latin-1")
        case _:
            part = rng.choice((b"\xff", b"\x00\x00\xc0\x7f", b"\x80", rng.randbytes(5)))
            body = (part * len(body))[: len(body)]
    encoded = header.encode("latin-1")
    return data[:8] + (len(encoded) & 0xFFFF).to_bytes(2, "little") + encoded + body


def npz(rng: random.Random, data: bytes) -> bytes:
    """Change, drop or rename a member, or store it in another way."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    method = zipfile.ZIP_DEFLATED
    match rng.randrange(6):
        case 0:
            del members[name]
        case 1:
            members[rng.choice((f"{ESCAPES}.npy", "../x.npy", "x", "n" * 5000))] = members.pop(name)
        case 2:
            method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        case _:
            members[name] = npy(rng, members[name])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return packed.getvalue()


def _replaced(
    rng: random.Random, text: str, token: re.Pattern[str], values: tuple[str, ...]
) -> str:
    tokens = list(token.finditer(text))
    if not tokens or rng.random() < 0.05:
        return rng.choice(values)
    one = rng.choice(tokens)
    return text[: one.start()] + rng.choice(values) + text[one.end() :]
