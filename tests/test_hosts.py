"""The hosts that a campaign makes of one machine are apart, and what befalls their cables is what it says."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests import hosts
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def needed(lack: Callable[[str], None]) -> None:
    if not hosts.are_possible():
        lack("network namespaces need root, ip and iptables")


@pytest.fixture
def pair() -> Iterator[tuple[hosts.Host, hosts.Host]]:
    with hosts.Network() as network:
        yield network.add("one"), network.add("other one")


def arrived(sender: hosts.Host, receiver: hosts.Host, number: int = 400) -> int:
    """Return how many of so many datagrams arrive."""
    with receiver.inside():
        taking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender.inside():
        giving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with taking, giving:
        taking.bind((receiver.address, 0))
        taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # for all that is sent before the first is read
        taking.settimeout(0.3)
        for index in range(number):
            giving.sendto(b"%d" % index, taking.getsockname())
        found = 0
        try:
            while found < number:
                taking.recv(10)
                found += 1
        except TimeoutError:
            pass
    return found


def test_a_cable_that_is_pulled_lets_nothing_through_until_it_is_put_in_again(
    pair: tuple[hosts.Host, hosts.Host],
) -> None:
    one, other = pair
    assert arrived(one, other, 10) == 10
    other.set_link(False)
    assert arrived(one, other, 10) == 0
    other.set_link(True)
    # The system looks at its cables about once a second.
    wait_until(lambda: arrived(one, other, 10) == 10, "all arrive again", 10)


def test_packets_are_lost_as_often_as_they_should_be(pair: tuple[hosts.Host, hosts.Host]) -> None:
    one, other = pair
    other.drop("INPUT", "-m", "statistic", "--mode", "random", "--probability", "0.2")
    # Five standard deviations of 400 draws, which is one run in a million.
    assert 280 <= arrived(one, other) <= 360
    other.drop_nothing()
    assert arrived(one, other) == 400


def test_a_host_can_be_heard_and_hear_nothing(pair: tuple[hosts.Host, hosts.Host]) -> None:
    one, other = pair
    arrived(one, other, 1)  # both know each other's hardware address: a question for it would be lost as well
    other.drop("INPUT")
    assert (arrived(one, other, 10), arrived(other, one, 10)) == (0, 10)


def test_a_thread_is_elsewhere_only_within_the_block_and_what_it_starts_stays_there(
    pair: tuple[hosts.Host, hosts.Host],
) -> None:
    one, _ = pair
    seen = []

    def look() -> None:
        with socket.socket() as probe:
            probe.bind((one.address, 0))
            seen.append(probe.getsockname()[0])

    with one.inside():
        begun = threading.Thread(target=look)
        begun.start()
    begun.join()
    assert seen == [one.address]
    with socket.socket() as probe, pytest.raises(OSError, match="assign"):
        probe.bind((one.address, 0))
