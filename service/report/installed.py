"""The versions that decide what a report's bytes are, as they were when this process began."""

from importlib.metadata import version

INSTALLED = {name: version(name) for name in ("auscult", "highdicom", "pydicom")}
