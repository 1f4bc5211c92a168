"""A hub on loopback for the real client: what huggingface_hub asks of one, and faults to choose.

    with Hub({("dataset", "MahmoodLab/hest"): {"st/A.h5ad": path}}) as hub:
        environment["HF_ENDPOINT"] = hub.url

Large files go by a redirect to another host name, as the hub sends them to its store: there the
client must not send its token.
"""

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

TOKEN = "hf_thisIsAGoodTokenOfTheLoopbackHub"  # noqa: S105
COMMIT = "c0ffee" + 34 * "0"
LARGE = (".h5ad", ".tif", ".h5", ".safetensors", ".bin", ".pth")


@dataclass
class Fault:
    """What befalls requests whose address ends in `name`, `times` times.

    status: answered instead. Of what the store sends: cut: bytes after which the connection is
    closed; wrong: the bytes are others; rate: bytes a second. size: bytes that the hub claims.
    """

    name: str
    times: int = 1
    status: int | None = None
    cut: int | None = None
    wrong: bool = False
    rate: float | None = None
    size: int | None = None


@dataclass
class Hub:
    """repositories: `{(kind, 'owner/name'): {path: bytes or a file's path}}`.

    gated: names of repositories with terms, which TOKEN's owner has accepted if `granted`;
    asked: the requests, as `METHOD address [range] [token]`.
    """

    repositories: dict
    gated: tuple = ()
    faults: list = field(default_factory=list)
    granted: bool = True
    asked: list = field(default_factory=list)

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.hub, self.server.daemon_threads = self, True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        port = self.server.server_port
        self.url, self.store = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def fault(self, address):
        """The fault that meets this request, which it uses up."""
        for fault in self.faults:
            here = fault.status or address.startswith("/store/")
            if here and not fault.size and fault.times > 0 and address.endswith(fault.name):
                fault.times -= 1
                return fault
        return Fault("")

    def count(self, pattern):
        return sum(bool(re.search(pattern, line)) for line in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        address = unquote(urlparse(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signs = [self.headers.get("Range"), "token" if self.token else None]
        self.hub.asked.append(" ".join(filter(None, [self.command, address, *signs])))
        self.fault = self.hub.fault(address)
        if self.fault.status:
            return self.send(self.fault.status, b"{}")
        if address.startswith("/store/"):
            return self.send_store(address)
        api = re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)/([\w-]+)(?:/([^/]+))?", address)
        file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", address)
        if api:
            kind, repo, verb, revision = api.groups()
        elif file:
            kind, repo, verb, revision = (
                "dataset" if file[1] else "model", file[2], "resolve", file[3],
            )  # fmt: skip
        else:
            return self.refuse(404, "RepoNotFound")
        files = self.hub.repositories.get((kind, repo))
        if files is None:
            return self.refuse(401 if not self.token else 404, "RepoNotFound")
        if self.token not in (None, TOKEN):
            return self.refuse(401, None, "Invalid credentials in Authorization header")
        if repo in self.hub.gated and verb in ("resolve", "auth-check"):
            if self.token is None:
                return self.refuse(401, "GatedRepo")
            if not self.hub.granted:
                return self.refuse(403, "GatedRepo")
        if verb != "auth-check" and revision not in ("main", COMMIT):
            return self.refuse(404, "RevisionNotFound")
        if verb == "resolve":
            return self.resolve(files, file[4])
        answers = {
            "auth-check": dict,
            "revision": lambda: {"id": repo, "sha": COMMIT, "siblings": [], "tags": []},
            "tree": lambda: self.tree(files),
            "paths-info": lambda: [
                self.info(files, path) for path in parse_qs(body.decode())["paths"] if path in files
            ],
        }
        return self.send(200, json.dumps(answers[verb]()).encode())

    @property
    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def tree(self, files):
        top = {path.partition("/")[0] for path in files}
        folder = {"type": "directory", "oid": 40 * "1"}
        return [
            self.info(files, name) if name in files else folder | {"path": name} for name in top
        ]

    def info(self, files, path):
        content = _bytes(files[path])
        size = next((f.size for f in self.hub.faults if f.name == path and f.size), len(content))
        about = {"type": "file", "path": path, "size": size, "oid": _git(content)}
        if path.endswith(LARGE):
            sha256 = hashlib.sha256(content).hexdigest()
            about["lfs"] = {"oid": sha256, "size": size, "pointerSize": 134}
        return about

    def resolve(self, files, path):
        if path not in files:
            return self.refuse(404, "EntryNotFound")
        content, about = _bytes(files[path]), self.info(files, path)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{about["oid"]}"'}
        if "lfs" not in about:
            return self.send(200, content, headers)
        headers["X-Linked-Etag"] = f'"{about["lfs"]["oid"]}"'
        headers["X-Linked-Size"] = str(about["size"])
        kind, repo = next(key for key, value in self.hub.repositories.items() if value is files)
        headers["Location"] = f"{self.hub.store}/store/{kind}/{repo}/{path}?signature=secret"
        return self.send(302, b"", headers)

    def send_store(self, address):
        _, _, kind, owner, name, path = address.split("/", 5)
        content = _bytes(self.hub.repositories[kind, f"{owner}/{name}"][path])
        if self.fault.wrong:
            content = bytes(255 - byte for byte in content)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked:
            return self.send(200, content)
        start = int(asked[1])
        place = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return self.send(206, content[start:], place)

    def refuse(self, status, code, message=None):
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        return self.send(status, b"{}", {key: value for key, value in headers.items() if value})

    def send(self, status, content, headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            if self.fault.rate:
                for start in range(0, len(content), 4096):
                    self.wfile.write(content[start : start + 4096])
                    time.sleep(4096 / self.fault.rate)
                return
            self.wfile.write(content[: self.fault.cut])
        except ConnectionError:  # the client was killed
            pass
        if self.fault.cut is not None:
            self.close_connection = True


def _bytes(content):
    return content if isinstance(content, bytes) else Path(content).read_bytes()


def _git(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def of_folder(folder):
    """`{path: file}` of all that a folder holds."""
    return {
        str(path.relative_to(folder)): path for path in Path(folder).rglob("*") if path.is_file()
    }
