"""What several journeys share: one gateway in embedded mode before a PACS that counts."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs


@dataclass(frozen=True)
class SharedGateway:
    """A gateway and the PACS that its reports go to.

    Those who share it tell their images apart by seeds of their own.
    """

    gateway: Gateway
    pacs: CountingPacs


@pytest.fixture(scope="package")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedGateway]:
    """Give a gateway whose parts run as processes of their own."""
    with CountingPacs() as pacs:
        # A row is leased for as long as its destination may take: what a killed worker held becomes due after that.
        brisk = destination(pacs.port, connect_timeout=1.0, response_timeout=4.0)
        with gateway(tmp_path_factory.mktemp("shared_gateway"), [brisk]) as running:
            yield SharedGateway(running, pacs)
