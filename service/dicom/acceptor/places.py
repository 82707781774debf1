"""Places for associations: how many there are, and how many of them one peer may take.

References
----------
PS3.8 section 9.3.4: who finds no place is told so by a transient rejection
"""

import threading
from collections import Counter
from ipaddress import IPv6Address, IPv6Network, ip_address

from service.dicom.acceptor.contract import Peer
from service.vocabulary.refusals import RefusalReason

#: A host with IPv6 chooses its addresses within such a network.
_IPV6_HOST_BITS = 64


class Places:
    """Counts associations that were admitted and have not ended; thread-safe.

    A peer is an address, and it is an AE title as well: neither one machine under many names nor one name on many
    machines takes the places of all others.

    Parameters
    ----------
    maximum
        Most associations at once.
    maximum_per_peer
        Most of one address, and most of one AE title.
    """

    def __init__(self, maximum: int, maximum_per_peer: int) -> None:
        self._maximum = maximum
        self._maximum_per_peer = maximum_per_peer
        self._lock = threading.Lock()
        self._taken: dict[Peer, tuple[str, str]] = {}
        self._of_peer: Counter[str] = Counter()

    def take(self, peer: Peer) -> RefusalReason | None:
        """Take a place for an association; return why there is none."""
        names = (f"at {host(peer.address)}", f"as {peer.calling_ae_title}")
        with self._lock:
            if any(self._of_peer[name] >= self._maximum_per_peer for name in names):
                return RefusalReason.PEER_LIMIT
            if len(self._taken) >= self._maximum:
                return RefusalReason.LIMIT
            self._taken[peer] = names
            self._of_peer.update(names)
        return None

    def leave(self, peer: Peer) -> None:
        """Give an association's place back, if it has one."""
        with self._lock:
            names = self._taken.pop(peer, ())
            self._of_peer.subtract(names)
            for name in names:
                if not self._of_peer[name]:
                    del self._of_peer[name]


def host(address: str) -> str:
    """Return what stands for a host: its IPv4 address, or the /64 network of its IPv6 address."""
    parsed = ip_address(address.partition("%")[0])
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, _IPV6_HOST_BITS), strict=False))
