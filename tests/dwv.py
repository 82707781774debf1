"""Serve dwv, a viewer in the browser, with DICOM objects for it, on one origin of 127.0.0.1.

`.ci/run` unpacks it and what it is made of from their npm packages; AUSCULT_TEST_VIEWER names the folder that holds
them (``dwv``). It has no server of its own: the page that loads one object is the example of its documentation.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PAGE = b"""<!doctype html>
<title>dwv</title>
<style>body { margin: 0; background: black } #layerGroup0 { width: 900px; height: 900px; position: relative }</style>
<script src="/konva/konva.min.js"></script>
<script src="/jszip/dist/jszip.min.js"></script>
<script src="/magic-wand-tool/dist/magic-wand.js"></script>
<script type="importmap">{"imports": {
  "konva": "data:text/javascript,export default window.Konva",
  "jszip": "data:text/javascript,export default window.JSZip",
  "magic-wand-tool": "data:text/javascript,export default window.MagicWand"
}}</script>
<div id="layerGroup0"></div>
<script type="module">
import { App, AppOptions, ViewConfig } from '/dwv/dist/dwv.min.js';
const app = new App();
app.init(new AppOptions({ '*': [new ViewConfig('layerGroup0')] }));
const told = { errors: [], tags: {} };
app.addEventListener('renderend', () => { told.rendered = true; });
app.addEventListener('error', event => told.errors.push(String(event.error)));
app.addEventListener('loadend', event => {
  const elements = Object.entries(app.getMetaData(event.dataid) || {});
  told.tags = Object.fromEntries(elements.map(([tag, element]) => [tag, String(element.value)]));
  window.told = told;
});
app.loadURLs([location.origin + '/objects/' + location.hash.slice(1)]);
</script>
"""


class _Handler(SimpleHTTPRequestHandler):
    """The page, the files of the packages, and the objects."""

    def __init__(self, *arguments: Any, packages: Path, objects: Mapping[str, bytes]) -> None:
        self._objects = objects
        super().__init__(*arguments, directory=str(packages))

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer("text/html", _PAGE)
        elif self.path.startswith("/objects/"):
            self._answer("application/dicom", self._objects[self.path.removeprefix("/objects/")])
        else:
            super().do_GET()

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the class it is of
        pass


@contextmanager
def viewer(packages: Path, objects: Mapping[str, bytes]) -> Iterator[str]:
    """Serve dwv of a folder and objects by name; yield the page's address, to which ``#NAME`` is added."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, packages=packages, objects=objects))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
