"""A real client of the hub against a server of the hub's protocol that runs here: nothing leaves the machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

CONTENT = b"weights of a small network"
FILES = {"/coats/small/resolve/main/model.safetensors": CONTENT, "/coats/old/resolve/v1/pytorch_model.bin": CONTENT}
REPOSITORIES = ("/coats/small/", "/coats/old/")


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for a file: its commit, its tag, its length; and says what is missing in a header."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        content = FILES.get(self.path)
        if content is None:
            code = "EntryNotFound" if self.path.startswith(REPOSITORIES) else "RepoNotFound"
            if self.path.startswith("/coats/gated/"):
                code = "GatedRepo"
            self.send_response(403 if code == "GatedRepo" else 404)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetch(address: str, home: Path, endpoint: str, **settings: str) -> tuple[int, str]:
    """Exit code and last line of a process of its own: the client reads its settings once, when it is imported."""
    script = (
        "import sys\n"
        "from reid_edge.errors import UsageError\n"
        "from reid_edge_export.hub import fetch_from_hub\n"
        "try:\n    print(fetch_from_hub(sys.argv[1]))\n"
        "except UsageError as error:\n    sys.exit(f'{error.message} {error.hint}')\n"
    )
    environment = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "PYTHONPATH": ":".join(sys.path), "PATH": "", **settings}
    done = subprocess.run(
        [sys.executable, "-c", script, address], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, (done.stdout or done.stderr).strip().splitlines()[-1]


def test_weights_are_fetched_from_the_hub_once_and_then_found_without_a_connection(endpoint: str, tmp_path: Path) -> None:
    code, path = fetch("hub:coats/small", tmp_path, endpoint)
    assert code == 0, path
    assert Path(path).read_bytes() == CONTENT
    assert fetch("hub:coats/small/model.safetensors", tmp_path, "http://127.0.0.1:9") == (0, path)


def test_a_revision_and_another_usual_file_are_found(endpoint: str, tmp_path: Path) -> None:
    code, path = fetch("hub:coats/old@v1", tmp_path, endpoint)
    assert code == 0, path
    assert Path(path).name == "pytorch_model.bin"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("hub:coats/none", "no such repository"),
        ("hub:coats/small/other.bin", "has no file other.bin"),
        ("hub:coats/gated", "agreed to their terms"),
        ("hub:coats", "is not an address on the hub"),
        ("hub:coats/a--b", "is not an address on the hub"),
        ("hub:coats/small/../../other", "is not an address on the hub"),
    ],
)
def test_what_the_hub_does_not_have_or_give_is_named(address: str, said: str, endpoint: str, tmp_path: Path) -> None:
    code, line = fetch(address, tmp_path, endpoint)
    assert code == 1
    assert said in line


def test_without_a_connection_a_local_file_is_the_way_out(tmp_path: Path) -> None:
    code, line = fetch("hub:coats/small", tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert code == 1
    assert "--weights" in line
