"""Downloads of public sets: checksums, the cache, no network, and permission."""

import gzip
import hashlib
import http.server
import io
import re
import threading
import time

import numpy as np
import pytest
import requests

from ipvae_snn.data import download, load, locate, mnist_like, omniglot
from ipvae_snn.data.request import resolve_download, resolve_root
from ipvae_snn.errors import DataError
from ipvae_snn.storage.memory import shown
from small_sets import IMAGES, LABELS, fails, idx


class Server:
    """A local stand-in for a public host; counts its answers."""

    def __init__(self, content: dict[str, bytes]) -> None:
        owner = self
        self.served = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = content.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")
                owner.served += 1

            def log_message(self, *_: object) -> None:
                """Keep the tests' output quiet."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))

    def __enter__(self) -> "Server":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def files():
    return {
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
    }


def fake_host(monkeypatch, url, files) -> None:
    """Point `mnist` to another host with the checksums of `files`, and allow downloads."""
    contents = {
        name: mnist_like.Content(len(data), hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    }
    monkeypatch.setattr(mnist_like, "_MNIST", mnist_like.Family(("mnist",), url, contents))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("IPVAE_SNN_DOWNLOAD", "1")


def test_download_once_then_from_the_cache(monkeypatch, tmp_path, files):
    with Server({f"/{name}": data for name, data in files.items()}) as server:
        fake_host(monkeypatch, server.url, files)
        np.testing.assert_array_equal(load("mnist", "test").labels, LABELS)
        np.testing.assert_array_equal(load("mnist", "test").labels, LABELS)
        assert server.served == 2
    assert (tmp_path / "cache/mnist/t10k-images-idx3-ubyte.gz").is_file()


def test_download_with_a_wrong_checksum(monkeypatch, tmp_path, files):
    # As long as the right content, or its length would be refused first.
    with Server({f"/{name}": bytes(len(data)) for name, data in files.items()}) as server:
        fake_host(monkeypatch, server.url, files)
        with fails(
            "mnist (test): t10k-images-idx3-ubyte.gz could not be downloaded from "
            f"{server.url}t10k-images-idx3-ubyte.gz to {tmp_path}/cache/mnist (wrong checksum); "
            "give the folder that holds mnist/ with --data-root or IPVAE_SNN_DATA"
        ):
            load("mnist", "test")
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_download_of_a_missing_file(monkeypatch, tmp_path, files):
    with Server({}) as server:
        fake_host(monkeypatch, server.url, files)
        with pytest.raises(DataError, match=r"could not be downloaded from .* \(HTTPError\); give"):
            load("mnist", "test")


def test_download_without_a_network(monkeypatch, tmp_path, files):
    with Server({}) as server:
        gone = server.url
    fake_host(monkeypatch, gone, files)
    start = time.monotonic()
    with pytest.raises(DataError, match=r"could not be downloaded .* \(ConnectionError\); give"):
        load("mnist", "test", data_root=tmp_path, download=True)
    assert time.monotonic() - start < 5


def test_no_download_where_it_is_not_allowed(monkeypatch, tmp_path, files):
    with Server({f"/{name}": data for name, data in files.items()}) as server:
        fake_host(monkeypatch, server.url, files)
        monkeypatch.delenv("IPVAE_SNN_DOWNLOAD")
        with pytest.raises(DataError, match="not found in"):
            load("mnist", "test", data_root=tmp_path)
        size = len(files["t10k-images-idx3-ubyte.gz"])
        for download in (False, None):
            with fails(
                "mnist (test): no data root is given for t10k-images-idx3-ubyte.gz or "
                "t10k-images-idx3-ubyte; give the folder that holds mnist/ with --data-root or "
                f"IPVAE_SNN_DATA, or set IPVAE_SNN_DOWNLOAD=1 to download it ({shown(size)} from "
                "127.0.0.1)"
            ):
                load("mnist", "test", download=download)
        assert server.served == 0
        load("mnist", "test", download=True)
        # What lies there is used without permission, and without a request, while it is whole.
        load("mnist", "test")
        assert server.served == 2
        (tmp_path / "cache/mnist/t10k-images-idx3-ubyte.gz").write_bytes(b"changed")
        with pytest.raises(DataError, match="no data root is given"):
            load("mnist", "test")
        assert server.served == 2


@pytest.mark.parametrize(
    ("argument", "variable", "allowed"),
    [
        (None, None, False),
        (None, "", False),
        (None, "1", True),
        (None, "off", False),
        (True, "0", True),
        (False, "1", False),
    ],
)
def test_who_allows_a_download(argument, variable, allowed):
    environment = {} if variable is None else {"IPVAE_SNN_DOWNLOAD": variable}
    assert resolve_download(argument, environment) is allowed


def test_download_switch_of_unknown_value():
    with fails("IPVAE_SNN_DOWNLOAD is 'perhaps'; set it to 1 (fetch) or 0 (never)"):
        resolve_download(None, {"IPVAE_SNN_DOWNLOAD": "perhaps"})


def test_argument_wins_over_the_environment(tmp_path):
    assert resolve_root(tmp_path, {"IPVAE_SNN_DATA": "/elsewhere"}) == tmp_path
    assert resolve_root(None, {"IPVAE_SNN_DATA": ""}) is None


def test_published_contents():
    """All four files of the three sets, none twice, over https; so is Omniglot's."""
    families = (mnist_like._MNIST, mnist_like._FASHION, mnist_like._KMNIST)
    contents = [content for family in families for content in family.files.values()]
    assert len({content.sha256 for content in contents}) == 12
    hashes = [*(content.sha256 for content in contents), omniglot._REMOTE.sha256]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes)
    addresses = [*(family.url for family in families), omniglot._REMOTE.url]
    assert all(address.startswith("https://") for address in addresses)


# --- limits ---


def refused(monkeypatch, files, answers, reason: str) -> None:
    """Expect a download from a host that gives `answers` to fail for `reason`, leaving nothing."""
    with Server(answers) as server:
        fake_host(monkeypatch, server.url, files)
        with pytest.raises(DataError, match=re.escape(f"({reason}); give the folder")) as caught:
            load("mnist", "test")
    assert "\n" not in str(caught.value)


def test_a_host_that_sends_too_much_is_cut_off(monkeypatch, tmp_path, files):
    size = len(files["t10k-images-idx3-ubyte.gz"])
    answers = {f"/{name}": data + bytes(10**6) for name, data in files.items()}
    refused(monkeypatch, files, answers, f"it has more than the {size} bytes expected")
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_a_host_that_stops_early_is_named(monkeypatch, tmp_path, files):
    size = len(files["t10k-images-idx3-ubyte.gz"])
    answers = {f"/{name}": data[:100] for name, data in files.items()}
    refused(monkeypatch, files, answers, f"it ended after 100 of {size} bytes")
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_a_slow_host_is_given_up(monkeypatch, files):
    name = "t10k-images-idx3-ubyte.gz"
    monkeypatch.setattr(download, "CHUNK", 16)
    monkeypatch.setattr(locate, "Download", lambda size: download.Download(size, limit_s=0))
    answers = {f"/{name}": data for name, data in files.items()}
    refused(monkeypatch, files, answers, f"16 of {len(files[name])} bytes after 0 s")


def test_plain_http_is_refused_before_a_request(tmp_path):
    with pytest.raises(download.DownloadRefusedError, match=r"^http://example\.org is not https$"):
        download.Download(5)("http://example.org/a", tmp_path / "a", None)
    assert not (tmp_path / "a").exists()


def test_a_redirection_away_from_https_is_refused(monkeypatch, tmp_path):
    def answer(self, request, **options):
        assert request.url == "https://example.org/a"
        response = requests.Response()
        response.status_code, response.request, response.url = 302, request, request.url
        response.headers["Location"] = "http://example.net/b"
        response.raw = io.BytesIO()
        response._next = self.rebuild(request, response)
        return response

    class Redirected(requests.Session):
        send = answer

        def rebuild(self, request, response):
            following = request.copy()
            following.url = response.headers["Location"]
            return following

    monkeypatch.setattr(requests, "Session", Redirected)
    with pytest.raises(download.DownloadRefusedError, match=r"^http://example\.net is not https$"):
        download.Download(5)("https://example.org/a", tmp_path / "a", None)


def test_a_redirection_is_followed(monkeypatch, tmp_path):
    with Server({"/b": b"12345"}) as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        handler = server.http.RequestHandlerClass
        plain = handler.do_GET

        def do_get(self) -> None:
            if self.path != "/a":
                plain(self)
                return
            self.send_response(302)
            self.send_header("Location", "/b")
            self.send_header("Content-Length", "0")
            self.end_headers()

        monkeypatch.setattr(handler, "do_GET", do_get)
        download.Download(5)(f"{server.url}a", tmp_path / "a", None)
    assert (tmp_path / "a").read_bytes() == b"12345"
