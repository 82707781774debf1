"""highdicom's tables of the modules of the standard, read module by module.

highdicom reads all of them for the first object that it makes, 65 MB in half a second of processor time, of which it
needs the handful of modules that tell of patient and study.

References
----------
PS3.3 Annex A (IODs) and Annex C (modules)
"""

import json
import re
from importlib.resources import as_file, files
from mmap import ACCESS_READ, mmap
from typing import Any

import highdicom.base
from highdicom import _standard_utils

#: The end of a module: a list of attributes, each of which is an object that holds no other.
_END = re.compile(rb"}\s*]")


class ModuleTables(dict[str, list[dict[str, Any]]]):
    """The attributes of each module by the module's name, each read when it is first asked for."""

    def __missing__(self, module: str) -> list[dict[str, Any]]:
        """Read a module; KeyError when the standard has none of this name."""
        with (
            as_file(files("highdicom").joinpath("_standard/module_attribute_map.json")) as path,
            path.open("rb") as file,
            mmap(file.fileno(), 0, access=ACCESS_READ) as content,
        ):
            self[module] = read_module(content, module)
        return self[module]

    def __contains__(self, module: object) -> bool:
        """Tell whether the standard has a module of this name."""
        try:
            return bool(self[str(module)])
        except KeyError:
            return False


def read_module(content: bytes | mmap, module: str) -> list[dict[str, Any]]:
    """Return the attributes of one module from highdicom's file, with whatever white space it is written.

    Raises
    ------
    KeyError
        When there is no module of this name.
    """
    name = f'"{module}":'.encode()
    start = content.find(name)
    if start < 0 or (end := _END.search(content, start)) is None:
        raise KeyError(module)
    attributes: list[dict[str, Any]] = json.loads(content[start + len(name) : end.end()])
    return attributes


def read_module_by_module() -> None:
    """Have highdicom ask `ModuleTables` wherever it asks for a module."""
    tables = ModuleTables()
    for asking in (highdicom.base, _standard_utils):
        vars(asking)["get_module_attribute_map"] = lambda: tables
