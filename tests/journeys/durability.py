"""Read the order of system calls from strace, and say which step of an acknowledgement it lacks."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    FILE_FSYNC = "fsync of the file"
    RENAME = "rename"
    FOLDER_FSYNC = "fsync of the folder"
    COMMIT = "fsync of the commit"
    RESPONSE = "response"


@dataclass(frozen=True)
class Call:
    """One call that matters; `name` is the object's temporary name, its key or its folder."""

    kind: Kind
    name: str = ""


_SYNC = re.compile(r"(?:fsync|fdatasync)\(\d+<([^>]*)>")
_RENAME = re.compile(r'rename\("([^"]*)", "([^"]*)"')
# A P-DATA-TF PDU: its type is 4.
_RESPONSE = re.compile(r'(?:sendto|sendmsg|write)\(\d+<(?:TCP|socket):[^"]*"\\4\\0')


def read_calls(lines: Iterable[str]) -> list[Call]:
    """Return the calls of a trace by ``strace -f -y``, in order.

    What makes durable counts when it has returned without error, a response when it begins.
    """
    calls: list[Call] = []
    unfinished: dict[str, str] = {}
    for line in lines:
        thread, _, text = line.strip().partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            unfinished[thread] = text
            if _RESPONSE.match(text):
                calls.append(Call(Kind.RESPONSE))
            continue
        if text.startswith("<..."):
            begun = unfinished.pop(thread, "")
            if _RESPONSE.match(begun):
                continue
            text = begun + text
        if _RESPONSE.match(text):
            calls.append(Call(Kind.RESPONSE))
        elif re.search(r"= 0\b", text):
            calls.extend(_durable(text))
    return calls


def _durable(text: str) -> list[Call]:
    if renamed := _RENAME.match(text):
        return [Call(Kind.RENAME, f"{renamed[1]} {renamed[2]}")]
    if not (synced := _SYNC.match(text)):
        return []
    path = synced[1]
    if "/incoming/" in path:
        return [Call(Kind.FILE_FSYNC, path)]
    if path.endswith("-wal"):
        return [Call(Kind.COMMIT, path)]
    return [Call(Kind.FOLDER_FSYNC, path)]


def find_gaps(calls: Sequence[Call]) -> list[str]:
    """Return what each response lacks; nothing when the bytes, their name and the row were durable before it."""
    gaps = []
    before: list[Call] = []
    responses = 0
    for call in calls:
        if call.kind is not Kind.RESPONSE:
            before.append(call)
            continue
        responses += 1
        if (lacking := _lacking(before)) is not None:
            gaps.append(f"response {responses}: no {lacking.value} before it, in its place")
        before = []
    return gaps


def _lacking(calls: Sequence[Call]) -> Kind | None:
    """Return the first step that is missing or out of place."""
    rest = iter(calls)
    file = next((call for call in rest if call.kind is Kind.FILE_FSYNC), None)
    if file is None:
        return Kind.FILE_FSYNC
    renamed = next((call for call in rest if call.kind is Kind.RENAME and call.name.startswith(f"{file.name} ")), None)
    if renamed is None:
        return Kind.RENAME
    folder = renamed.name.partition(" ")[2].rpartition("/")[0]
    if next((call for call in rest if call == Call(Kind.FOLDER_FSYNC, folder)), None) is None:
        return Kind.FOLDER_FSYNC
    return None if any(call.kind is Kind.COMMIT for call in rest) else Kind.COMMIT
