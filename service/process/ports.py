"""Whether a port can be had, and what to say where it cannot."""

import errno
import os
import socket

from service.texts import Sentence
from service.vocabulary.errors import PortTaken, SettingsInvalid

_REMEDIES = {
    errno.EADDRINUSE: "trouble.port_taken",
    errno.EADDRNOTAVAIL: "trouble.port_address",
    errno.EACCES: "trouble.port_permission",
    errno.EMFILE: "trouble.port_handles",
    errno.EAFNOSUPPORT: "trouble.port_family",
}


def family_of(host: str) -> socket.AddressFamily:
    """Return the family of addresses that a host of the settings is of."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def require_free(setting: str, host: str, port: int) -> None:
    """Do nothing where a port can be listened on now.

    Raises
    ------
    SettingsInvalid
        When it cannot; `PortTaken` when another program has it.
    """
    try:
        socket.create_server((host, port), family=family_of(host)).close()
    except OSError as error:
        raise cannot_listen(setting, host, port, error) from None


def cannot_listen(setting: str, host: str, port: int, error: OSError) -> SettingsInvalid:
    """Return what a port's error means: the setting, and what to do."""
    number = error.errno or 0
    reason: object = Sentence("trouble.port_no_name")
    remedy = "trouble.port_name"
    if number >= 0:  # a number below is of getaddrinfo
        reason, remedy = os.strerror(number), _REMEDIES.get(number, "trouble.port_other")
    kind = PortTaken if number == errno.EADDRINUSE else SettingsInvalid
    values = {"setting": setting, "port": port, "host": host, "reason": reason, "remedy": Sentence(remedy)}
    return kind(Sentence("trouble.port", **values))
