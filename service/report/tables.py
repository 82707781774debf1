"""highdicom's tables of the modules of the standard, read module by module.

highdicom reads all of them for the first object that it makes, 65 MB in half a second of processor time, of which it
needs the handful of modules that tell of patient and study.

References
----------
PS3.3 Annex A (IODs) and Annex C (modules)
"""

import json
from importlib.resources import as_file, files
from mmap import ACCESS_READ, mmap
from typing import Any

import highdicom.base
from highdicom import _standard_utils


class ModuleTables(dict[str, list[dict[str, Any]]]):
    """The attributes of each module by the module's name, each read when it is first asked for."""

    def __missing__(self, module: str) -> list[dict[str, Any]]:
        """Read a module; KeyError when the standard has none of this name."""
        with (
            as_file(files("highdicom").joinpath("_standard/module_attribute_map.json")) as path,
            path.open("rb") as file,
            mmap(file.fileno(), 0, access=ACCESS_READ) as content,
        ):
            # A module begins and ends on lines of its own, which nothing inside it is indented like.
            name = f'\n  "{module}": '.encode()
            start = content.find(name)
            if start < 0:
                raise KeyError(module)
            end = content.find(b"\n  ]", start)
            attributes: list[dict[str, Any]] = json.loads(content[start + len(name) : end] + b"]")
        self[module] = attributes
        return attributes

    def __contains__(self, module: object) -> bool:
        """Tell whether the standard has a module of this name."""
        try:
            return bool(self[str(module)])
        except KeyError:
            return False


def read_module_by_module() -> None:
    """Have highdicom ask `ModuleTables` wherever it asks for a module."""
    tables = ModuleTables()
    for asking in (highdicom.base, _standard_utils):
        vars(asking)["get_module_attribute_map"] = lambda: tables
