"""Whether a port can be had, and what to say where it cannot."""

import errno
import os
import socket

from service.vocabulary.errors import PortTaken, SettingsInvalid

_REMEDIES = {
    errno.EADDRINUSE: "end the program that has the port, another auscult perhaps, or choose another port",
    errno.EADDRNOTAVAIL: "the address is not of this machine; name one of its own, or 0.0.0.0 for all",
    errno.EACCES: "a port below 1024 is the system's; choose a higher one, or let this user have it"
    " (CAP_NET_BIND_SERVICE)",
    errno.EMFILE: "the process has no file handle left; raise its limit (`ulimit -n`)",
    errno.EAFNOSUPPORT: "this machine does not speak that family of addresses; name another address",
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
    reason, remedy = os.strerror(number), _REMEDIES.get(number, "choose another port or address")
    if number < 0:  # of getaddrinfo
        reason, remedy = "no address has this name", "name an address of this machine"
    kind = PortTaken if number == errno.EADDRINUSE else SettingsInvalid
    return kind(f"{setting} = {port}: cannot listen on {host} ({reason}); {remedy}")
