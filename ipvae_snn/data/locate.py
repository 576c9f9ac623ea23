"""Files of public data sets: found under the data root, or downloaded where that is allowed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
import pooch

from ipvae_snn.data.download import Download, DownloadRefusedError
from ipvae_snn.data.request import DOWNLOAD_VARIABLE, ROOT_VARIABLE, Request
from ipvae_snn.errors import DataError, MissingDataError
from ipvae_snn.storage.memory import shown


@dataclass(frozen=True)
class Remote:
    """A public file: name, https address, bytes, and SHA-256."""

    name: str
    url: str
    size: int
    sha256: str


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
    if remote is not None and request.root is None:
        kept = _downloaded(folders[0], remote)
        if kept is not None:
            return kept
    places = _places(request, folders)
    if not places:
        looked = f"no data root is given for {' or '.join(names)}"
    else:
        looked = f"{' or '.join(names)} not found in {', '.join(map(str, places))}"
    fix = f"give the folder that holds {folders[0]}/ with --data-root or {ROOT_VARIABLE}"
    fetch = (
        f", or set {DOWNLOAD_VARIABLE}=1 to download it ({shown(remote.size)} from "
        f"{urlsplit(remote.url).hostname})"
        if remote is not None
        else ""
    )
    raise MissingDataError(f"{request.name} ({request.split}): {looked}; {fix}{fetch}")


def _downloaded(folder: str, remote: Remote) -> Path | None:
    """Return the file of an earlier download, or None if there is none, or not a whole one."""
    path = cache_folder() / folder / remote.name
    if not path.is_file() or pooch.file_hash(str(path), alg="sha256") != remote.sha256:
        return None
    return path


def _fetch(request: Request, folder: str, remote: Remote) -> Path:
    """Return `remote` in the cache, downloaded if needed; its SHA-256 is checked either way."""
    target = cache_folder() / folder
    try:
        path = pooch.retrieve(
            url=remote.url,
            known_hash=f"sha256:{remote.sha256}",
            fname=remote.name,
            path=target,
            downloader=Download(remote.size),
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
    if isinstance(error, DownloadRefusedError):
        return str(error)
    return "wrong checksum" if type(error) is ValueError else type(error).__name__
