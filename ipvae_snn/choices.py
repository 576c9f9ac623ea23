"""Names that users choose from: the nearest known name to a wrong one, for every error message."""

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from ipvae_snn.errors import ConfigError, IpvaeError, brief

NO_SYNONYMS: Final[Mapping[str, str]] = MappingProxyType({})
CUTOFF: Final = 0.6  # of difflib's similarity, from 0 to 1
LONGEST: Final = 100  # letters of a word that are compared
SHORTEST_PART: Final = 3  # letters that a word must have to be found as a part of a name


def nearest(
    word: str, known: Collection[str], synonyms: Mapping[str, str] = NO_SYNONYMS
) -> str | None:
    """Return the known name that `word` most probably stands for, or None.

    In this order: the same name but for case, `_` and `-`; its synonym; its initials (lr for
    learning_rate); a name that begins with it or is its beginning; the most similar spelling.
    synonyms: other words, in lower case with `_`, and the names that they stand for.
    """
    plain = _plain(word)
    names = {_plain(name): name for name in known}
    if plain in names:
        return names[plain]
    if synonyms.get(plain) in known:
        return synonyms[plain]
    for name in names:
        if "_" in name and plain == "".join(part[:1] for part in name.split("_")):
            return names[name]
    if len(plain) >= SHORTEST_PART:
        starts = [name for name in names if _begins(name, plain)]
        if starts:
            return names[min(starts, key=lambda name: abs(len(name) - len(plain)))]
    close = difflib.get_close_matches(plain, names, n=1, cutoff=CUTOFF)
    return names[close[0]] if close else None


def suggestion(word: str, known: Collection[str], synonyms: Mapping[str, str] = NO_SYNONYMS) -> str:
    """Return " (did you mean ...?)" if a known name is near, else ""."""
    name = nearest(word, known, synonyms)
    return "" if name is None else f" (did you mean {name!r}?)"


def choose(
    word: str, known: Collection[str], what: str, error: type[IpvaeError] = ConfigError
) -> str:
    """Return `word` if it is a known name; else raise `error`, which names the nearest and all.

    what: the kind of thing that is chosen, such as "back end".
    """
    if word in known:
        return word
    raise error(
        f"no {what} is called {brief(word)}{suggestion(word, known)}; there are {', '.join(known)}"
    )


def _begins(name: str, word: str) -> bool:
    """Return whether one of two plain names begins with the other, underscores left out."""
    first, second = name.replace("_", ""), word.replace("_", "")
    return first.startswith(second) or (bool(first) and second.startswith(first))


def _plain(word: str) -> str:
    return word[:LONGEST].strip().lower().replace("-", "_")
