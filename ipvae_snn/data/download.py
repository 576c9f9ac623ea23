"""One download: over https only, of a known size, within a time."""

import time
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import urlsplit

import requests

# Seconds to connect and to wait for the next byte, so that no network means no hang.
TIMEOUTS_S: Final = (5.0, 20.0)
# Seconds in all: a host that sends a byte now and then would never end. The largest file has
# 26 MB, so this allows for 45 kB per second.
LIMIT_S: Final = 600.0
CHUNK: Final = 1 << 16
# Of these hosts nothing leaves the machine; tests serve files there.
LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class DownloadRefusedError(OSError):
    """A download that breaks a limit; the message says which."""


@dataclass(frozen=True)
class Download:
    """Downloader for pooch of a file of exactly `size` bytes, within `limit_s` seconds."""

    size: int
    limit_s: float = LIMIT_S

    def __call__(self, url: str, output_file: Any, _pooch: object) -> None:
        """Write the content of `url` to the path `output_file`.

        Raises DownloadRefusedError for another protocol than https, also after a redirection, for
        more or fewer bytes and after the time; other OSErrors as requests does.
        """
        _require_https(url)
        end = time.monotonic() + self.limit_s
        with requests.Session() as session, open(output_file, "wb") as file:  # noqa: PTH123 (pooch's)
            # Followed by hand, so that no request is sent to an address before it is checked.
            answer = session.get(url, stream=True, timeout=TIMEOUTS_S, allow_redirects=False)
            for _ in range(session.max_redirects):
                if answer.next is None:
                    break
                _require_https(str(answer.next.url))
                answer.close()
                answer = session.send(
                    answer.next, stream=True, timeout=TIMEOUTS_S, allow_redirects=False
                )
            with answer:
                answer.raise_for_status()
                self._write(answer, file, end)

    def _write(self, answer: requests.Response, file: IO[bytes], end: float) -> None:
        written = 0
        # As the host sends it: a packed answer could unpack to any size.
        for chunk in iter(lambda: answer.raw.read(CHUNK), b""):
            written += len(chunk)
            if written > self.size:
                raise DownloadRefusedError(f"it has more than the {self.size} bytes expected")
            if time.monotonic() > end:
                raise DownloadRefusedError(
                    f"{written} of {self.size} bytes after {self.limit_s:g} s"
                )
            file.write(chunk)
        if written < self.size:
            raise DownloadRefusedError(f"it ended after {written} of {self.size} bytes")


def _require_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        raise DownloadRefusedError(f"{parts.scheme}://{parts.hostname} is not https")
