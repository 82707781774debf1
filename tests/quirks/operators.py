"""What befalls the machine and the page: faults of operators and of strangers at the page's door."""

from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target


def _exchange(target: Target, request: bytes) -> bytes:
    """Send bytes to the page; return what it answers until it closes."""
    import socket

    with socket.create_connection(("127.0.0.1", target.web_port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def _undecodable_header(target: Target) -> str:
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic \xff\xfe\r\nConnection: close\r\n\r\n"
    answer = _exchange(target, request).split(b"\r\n", 1)[0].decode("latin-1")
    if " 200 " not in answer:
        raise NotRight(f"the page answers {answer}")
    return answer


COLLECTION = Collection(
    "operators",
    (
        Quirk(
            "a header of the page's request that is not ASCII",
            "HTTP requests",
            "RFC 9110 5.5",
            "the page answers as without it, or refuses with a status of the 400s",
            _undecodable_header,
        ),
    ),
    tolerated=False,
)
