"""Files of public data sets: found under the data root, or downloaded with a checksum."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
import pooch

from ipvae_snn.data.request import ROOT_VARIABLE, Request
from ipvae_snn.errors import DataError, MissingDataError

# Seconds to connect and to wait for the next byte, so that no network means no hang.
TIMEOUTS_S: Final = (5.0, 20.0)


@dataclass(frozen=True)
class Remote:
    """A public file: name, address, and MD5 as published by torchvision."""

    name: str
    url: str
    md5: str


def cache_folder() -> Path:
    """Return the folder of downloaded data sets."""
    return Path(platformdirs.user_cache_dir("ipvae-snn")) / "data"


def _places(request: Request, folders: Iterable[str]) -> tuple[Path, ...]:
    if request.root is None:
        return ()
    root = request.root.absolute()
    own = tuple(root / folder for folder in folders)
    # The root may be the set's own folder.
    is_own = any(root.name == Path(folder).name for folder in folders)
    return (*own, root) if is_own else own


def find(request: Request, folders: tuple[str, ...], names: tuple[str, ...]) -> Path | None:
    """Return the first of `names` under the root's `folders`, or None."""
    for place in _places(request, folders):
        for name in names:
            if (place / name).is_file():
                return place / name
    return None


def require(
    request: Request, folders: tuple[str, ...], names: tuple[str, ...], remote: Remote | None = None
) -> Path:
    """Return the path of one of `names`, downloading `remote` where that is allowed.

    Raises DataError with the names, the places searched, and the option that gives the place.
    """
    result = find(request, folders, names)
    if result is not None:
        return result
    if remote is not None and request.download:
        return _fetch(request, folders[0], remote)
    places = _places(request, folders)
    if not places:
        looked = f"no data root is given for {' or '.join(names)}"
    else:
        looked = f"{' or '.join(names)} not found in {', '.join(map(str, places))}"
    fix = f"give the folder that holds {folders[0]}/ with --data-root or {ROOT_VARIABLE}"
    fetch = ", or set IPVAE_SNN_DOWNLOAD=1 to download it" if remote is not None else ""
    raise MissingDataError(f"{request.name} ({request.split}): {looked}; {fix}{fetch}")


def _fetch(request: Request, folder: str, remote: Remote) -> Path:
    """Return `remote` in the cache, downloaded if needed; the checksum is checked either way."""
    target = cache_folder() / folder
    try:
        path = pooch.retrieve(
            url=remote.url,
            known_hash=f"md5:{remote.md5}",
            fname=remote.name,
            path=target,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUTS_S, progressbar=False),
        )
    # ValueError is pooch's wrong checksum; the network's faults (requests) are all OSErrors.
    except (OSError, ValueError) as error:
        raise DataError(
            f"{request.name} ({request.split}): {remote.name} could not be downloaded from "
            f"{remote.url} to {target} ({_reason(error)}); give the folder that holds {folder}/ "
            f"with --data-root or {ROOT_VARIABLE}"
        ) from error
    return Path(path)


def _reason(error: Exception) -> str:
    return "wrong checksum" if type(error) is ValueError else type(error).__name__
