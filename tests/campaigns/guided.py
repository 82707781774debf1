"""Bytes that a fuzzer leads, by code coverage, into what we parse ourselves.

``python -m tests.campaigns.guided NUMBER SEED FOLDER`` runs it in a process of its own, for libFuzzer ends its process.
What it fails on is kept in the folder.
"""

import resource
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["service.dicom", "service.hl7"]):
    from tests.campaigns import parsers

#: An input that takes longer than this counts as a hang, and a process that takes so much more memory as a bomb.
_SECONDS_EACH, _MIB = 10, 512


def main() -> None:
    """Take so many inputs."""
    number, seed, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    warnings.simplefilter("ignore")  # pydicom's, of what it reads
    for index, data in enumerate(parsers.seeds()):
        (folder / f"seed-{index}").write_bytes(data)
    # libFuzzer looks at the peak, which a process inherits from the one that started it.
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + _MIB
    options = [f"-runs={number}", f"-seed={seed}", f"-timeout={_SECONDS_EACH}", f"-rss_limit_mb={limit}"]
    options += ["-print_final_stats=1", f"-artifact_prefix={folder}/failed-", str(folder)]
    atheris.Setup([sys.argv[0], *options], parsers.take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
