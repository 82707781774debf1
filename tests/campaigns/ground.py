"""What a site stands on: each of its programs on this machine, or each on a host of its own and over TLS."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests import servers
from tests.campaigns.clocks import Clock
from tests.certificates import Authority
from tests.hosts import Host, Network
from tests.servers import Encryption


@dataclass(frozen=True)
class Ground:
    """Where each program of a site runs.

    Attributes
    ----------
    hosts
        By the name of the process or server that runs there; empty on one machine.
    clocks
        The clock of each host.
    encryption
        The certificate that each of them shows, and the authority that they trust; on hosts alone.
    """

    folder: Path
    hosts: Mapping[str, Host] = field(default_factory=dict)
    clocks: Mapping[str, Clock] = field(default_factory=dict)
    encryption: Encryption | None = None

    def address(self, name: str) -> str:
        """Return the address of a process or server."""
        return self.hosts[name].address if name in self.hosts else "127.0.0.1"

    def inside(self, name: str) -> AbstractContextManager[None]:
        """Be where a process or server runs."""
        return self.hosts[name].inside() if name in self.hosts else nullcontext()

    def tls(self, purpose: ssl.Purpose) -> ssl.SSLContext | None:
        """Return a context for what speaks DICOM here."""
        if self.encryption is None:
            return None
        context = ssl.create_default_context(purpose, cafile=str(self.encryption.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*self.encryption.client)
        return context

    def tls_settings(self) -> dict[str, str]:
        """Return the settings of auscult's that name the files."""
        if self.encryption is None:
            return {}
        certificate, key = map(str, self.encryption.client)
        return {"certificate": certificate, "key": key, "ca": str(self.encryption.ca)}

    def sender(self) -> list[str]:
        """Return the program that a modality sends with, and its options."""
        if self.encryption is None:
            return [str(servers.find_program("dcmsend")), "-dn"]
        certificate, key = map(str, self.encryption.client)
        (self.folder / "storescu.cfg").write_text(_profile())
        ran_in = ["ip", "netns", "exec", self.hosts["modality"].namespace, str(servers.find_program("storescu"))]
        files = ["+tls", key, certificate, "+cf", str(self.encryption.ca)]
        return [*ran_in, "-ts", "10", "-xf", str(self.folder / "storescu.cfg"), "ALL", *files]


def _profile() -> str:
    """Return a profile for storescu that proposes each encoding of each SOP class in a context of its own."""
    classes = (
        "ComputedRadiographyImageStorage",
        "DigitalXRayImageStorageForPresentation",
        "SecondaryCaptureImageStorage",
    )
    encodings = (
        "LittleEndianExplicit",
        "LittleEndianImplicit",
        "RLELossless",
        "JPEGLSLossless",
        "JPEG2000LosslessOnly",
        "JPEGLossless:Non-hierarchical-1stOrderPrediction",
    )
    lines = ["[[TransferSyntaxes]]"]
    for number, encoding in enumerate(encodings):
        lines += [f"[T{number}]", f"TransferSyntax1 = {encoding}"]
    lines += ["[[PresentationContexts]]", "[C]"]
    pairs = [(sop_class, number) for sop_class in classes for number in range(len(encodings))]
    lines += [f"PresentationContext{at} = {name}\\T{number}" for at, (name, number) in enumerate(pairs, 1)]
    return "\n".join([*lines, "[[Profiles]]", "[ALL]", "PresentationContexts = C", ""])


@contextmanager
def hosts(folder: Path, names: list[str]) -> Iterator[Ground]:
    """Make a host for each name, and a certificate that is good for all of them."""
    with Network() as network:
        made = {name: network.add(name) for name in names}
        authority = Authority(folder)
        issued = authority.issue("auscult", *(host.address for host in made.values()))
        clocks = {name: Clock(folder / f"{name}.clock") for name in names}
        for clock in clocks.values():
            clock.set(0)
        yield Ground(folder, made, clocks, Encryption(authority.ca, issued, issued))
