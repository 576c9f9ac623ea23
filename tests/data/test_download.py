"""Downloads of public sets: checksums, the cache, no network, and permission."""

import gzip
import hashlib
import http.server
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.data import load, mnist_like
from ipvae_snn.data.request import resolve_download, resolve_root
from ipvae_snn.errors import DataError
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
    """Point `mnist` to another host with the checksums of `files`."""
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(mnist_like, "_MNIST", mnist_like.Family(("mnist",), url, md5))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_download_once_then_from_the_cache(monkeypatch, tmp_path, files):
    with Server({f"/{name}": data for name, data in files.items()}) as server:
        fake_host(monkeypatch, server.url, files)
        np.testing.assert_array_equal(load("mnist", "test").labels, LABELS)
        np.testing.assert_array_equal(load("mnist", "test").labels, LABELS)
        assert server.served == 2
    assert (tmp_path / "cache/mnist/t10k-images-idx3-ubyte.gz").is_file()


def test_download_with_a_wrong_checksum(monkeypatch, tmp_path, files):
    with Server({f"/{name}": b"changed" for name in files}) as server:
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
        with pytest.raises(DataError, match="not found in"):
            load("mnist", "test", data_root=tmp_path)
        with pytest.raises(DataError, match="no data root is given"):
            load("mnist", "test", download=False)
        assert server.served == 0


@pytest.mark.parametrize(
    ("argument", "variable", "root", "allowed"),
    [
        (None, None, None, True),
        (None, None, Path("r"), False),
        (None, "1", Path("r"), True),
        (None, "off", None, False),
        (True, "0", Path("r"), True),
        (False, "1", None, False),
    ],
)
def test_who_allows_a_download(argument, variable, root, allowed):
    environment = {} if variable is None else {"IPVAE_SNN_DOWNLOAD": variable}
    assert resolve_download(argument, root, environment) is allowed


def test_download_switch_of_unknown_value():
    with fails("IPVAE_SNN_DOWNLOAD is 'perhaps'; set it to 1 (fetch) or 0 (never)"):
        resolve_download(None, None, {"IPVAE_SNN_DOWNLOAD": "perhaps"})


def test_argument_wins_over_the_environment(tmp_path):
    assert resolve_root(tmp_path, {"IPVAE_SNN_DATA": "/elsewhere"}) == tmp_path
    assert resolve_root(None, {"IPVAE_SNN_DATA": ""}) is None


def test_published_checksums():
    # The list that torchvision publishes: all four files of the three sets, none twice.
    families = (mnist_like._MNIST, mnist_like._FASHION, mnist_like._KMNIST)
    sums = [value for family in families for value in family.md5.values()]
    assert len(set(sums)) == 12
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in sums)
