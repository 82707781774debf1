"""What durability costs: the object store against writing the same bytes without it."""

import os
import secrets
import tempfile
from itertools import count
from pathlib import Path

from benchmarks.interleaved import compare
from service.objects import LocalStore

#: One raw digital radiograph, 2048 x 2048 x 2 bytes.
SIZE = 8_400_000
PIECE = 131_072


def main() -> None:
    """Print what one object costs in each way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = LocalStore(folder / "objects")
        numbers = count()
        content = bytearray(secrets.token_bytes(SIZE))

        def vary() -> None:
            # The store keeps one copy of equal bytes; each turn brings others.
            content[:8] = next(numbers).to_bytes(8)

        def write_only() -> None:
            vary()
            (folder / "plain").write_bytes(content)

        def write_and_sync() -> None:
            vary()
            with (folder / "synced").open("wb") as file:
                file.write(content)
                os.fsync(file.fileno())

        def keep() -> None:
            vary()
            view = memoryview(content)
            with store.begin() as incoming:
                for start in range(0, SIZE, PIECE):
                    incoming.write(view[start : start + PIECE])
                incoming.keep()

        compare(
            f"one object of {SIZE / 1e6:.1f} MB",
            {"write": write_only, "write, fsync": write_and_sync, "object store": keep},
        )


if __name__ == "__main__":
    main()
