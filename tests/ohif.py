"""Serve OHIF's built web application before a DICOMweb server, on one origin of 127.0.0.1.

`.ci/run` unpacks the application from its npm package; AUSCULT_TEST_VIEWER names the folder that holds it (``ohif``)
and the driver of the browser (``playwright-core``).
"""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_CONFIGURATION = """window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: false, maxNumberOfWebWorkers: 2,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false, defaultDataSourceName: 'archive',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'archive',
    configuration: {
      friendlyName: 'archive', name: 'archive',
      wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web', wadoRoot: '/dicom-web',
      imageRendering: 'wadors', thumbnailRendering: 'wadors', enableStudyLazyLoad: true,
      supportsFuzzyMatching: false, supportsWildcard: true, singlepart: 'bulkdata,pdf,video'
    }
  }]
};
"""


class _Handler(SimpleHTTPRequestHandler):
    """Files of the application, its one page for every other path, and the DICOMweb server behind it."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, dist: Path, archive: str) -> None:
        self._archive = archive
        super().__init__(*arguments, directory=str(dist))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/dicom-web/"):
            self._pass_on()
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", _CONFIGURATION.encode())
        else:
            if not Path(self.translate_path(path)).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _pass_on(self) -> None:
        wanted = {name: value for name, value in self.headers.items() if name in ("Accept", "Host")}
        request = urllib.request.Request(self._archive + self.path, headers=wanted)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                self._answer(response.status, response.headers.get("Content-Type", ""), response.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.headers.get("Content-Type", "text/plain"), error.read())

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        # The viewer's decoders share memory among workers, which browsers allow to isolated pages alone.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        pass


@contextmanager
def viewer(dist: Path, archive: str) -> Iterator[str]:
    """Serve the application of the folder `dist` before the archive at an address; yield the viewer's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, dist=dist, archive=archive))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
