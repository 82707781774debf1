"""Bodies of Store requests."""

from collections.abc import Iterable

BOUNDARY = "boundary-of-the-test"
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def body(files: Iterable[bytes], boundary: str = BOUNDARY) -> bytes:
    """Return files as a body of multipart/related (RFC 2387)."""
    parts = [f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file + b"\r\n" for file in files]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
