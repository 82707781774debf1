"""The site of a demonstration: settings in a folder of its own, on ports that nobody else uses."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_WEB_PORT = 8042


@dataclass(frozen=True)
class DemoSite:
    """Where the demonstration plays."""

    folder: Path
    listener_port: int
    web_port: int
    pacs_port: int

    def environment(self) -> dict[str, str]:
        """Return the environment for its processes: this site's settings and no others."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
        return {**environment, "AUSCULT_CONFIG": str(self.folder / "auscult.toml")}


def set_up(folder: Path, pacs_port: int) -> DemoSite:
    """Write the settings of a demonstration into a folder."""
    site = DemoSite(folder, _free_port(), _free_port(_WEB_PORT), pacs_port)
    (folder / "auscult.toml").write_text(
        f"""# The settings of a demonstration; docs/reference/settings.md names all.
data_dir = "{folder / "data"}"

[scope]
unknown_age = "analyse"  # pictures from a folder come without one

[listener]
port = {site.listener_port}
minimum_free_bytes = 104857600

[web]
port = {site.web_port}

[log]
level = "warning"

[[destinations]]
name = "stand-in PACS"
ae_title = "PACS"
host = "127.0.0.1"
port = {pacs_port}
""",
        encoding="utf-8",
    )
    return site


def _free_port(wanted: int = 0) -> int:
    """Return a free port of 127.0.0.1: the wanted one where it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
