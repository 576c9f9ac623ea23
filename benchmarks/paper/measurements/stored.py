"""What is measured of a trained network, stored beside it: a second call measures nothing.

A stored result is taken only for the same checkpoint and images (by their SHA-256), protocol and
version.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

import ipvae_snn
from benchmarks.paper.measurements.codes import code_of, network_at
from benchmarks.paper.measurements.neurons import answers
from benchmarks.paper.measurements.operations import operations_of
from benchmarks.paper.measurements.photographs import photographs_of
from benchmarks.paper.measurements.seconds import seconds_of
from benchmarks.paper.plan import Member, Protocol
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.progress import Steps
from ipvae_snn.report.json_files import write_json
from ipvae_snn.storage.text_values import parse_json_object
from ipvae_snn.workflows.evaluate import EvaluationSettings, evaluate
from ipvae_snn.workflows.image_choice import ImageChoice

Json = dict[str, Any]
PRIVATE: Final = ("checkpoint", "plots", "us_per_image_step")  # paths, and times
CALIBRATION_IMAGES: Final = 500  # of the conversion to integers
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Subject:
    """A trained network that is measured.

    data: name of its images. data_root: folder of public data sets.
    """

    member: Member
    data: str
    checkpoint: Path
    protocol: Protocol
    data_root: Path | None

    def images(self, split: str, limit: int) -> ImageSet:
        """Return images as the network takes them."""
        most = max(limit, self.protocol.images) if split == "test" else limit
        return _loaded(self._wanted(split, most)).first(limit)

    @property
    def digest(self) -> str:
        """SHA-256 of the held-out images."""
        return _digest(self._wanted("test", self.protocol.images))

    def _wanted(self, split: str, limit: int) -> "_Wanted":
        network = network_at(self.checkpoint)
        side = network.image_shape[0]
        return _Wanted(self.data, split, limit, self.data_root, side, network.preparation)


class _Wanted(NamedTuple):
    """Images to be read; side: of patches, in pixels."""

    data: str
    split: str
    limit: int
    data_root: Path | None
    side: int
    preparation: Preparation | None


@lru_cache(maxsize=4)
def _loaded(wanted: _Wanted) -> ImageSet:
    """Return images, read once: whitening patches takes longer than a short measurement."""
    chosen = ImageChoice(wanted.data, wanted.split, wanted.limit, wanted.data_root)
    return chosen.read(wanted.side, wanted.preparation)


@lru_cache(maxsize=4)
def _digest(wanted: _Wanted) -> str:
    return hashlib.sha256(np.ascontiguousarray(_loaded(wanted).pixels).data).hexdigest()


Work = Callable[[Subject, Report], Json]


def stored(subject: Subject, what: str, version: str = ipvae_snn.__version__) -> Path:
    """Return the file of a measurement, by what it depends on."""
    digest = hashlib.sha256(subject.checkpoint.read_bytes())
    named = [asdict(subject.protocol), what, version, subject.digest]
    digest.update(json.dumps(named, sort_keys=True).encode())
    return subject.checkpoint.parent / f"paper-{what}-{digest.hexdigest()[:16]}.json"


def measured(subject: Subject, what: str, report: Report) -> Json:
    """Return a measurement of WORKS, the stored one if there is one.

    report: receives units done and all units. Raises ConfigError for a stored file that is damaged.
    """
    path = stored(subject, what)
    if not path.is_file():
        write_json(path, WORKS[what](subject, report))
    try:
        return parse_json_object(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON ({error}); remove it") from error


def evaluated(subject: Subject, report: Report) -> Json:
    """Return the evaluation: figures by step, read-outs, and other sets where they are asked for.

    As `ipvae-snn evaluate` reports them.
    """
    asked, member = subject.protocol, subject.member
    settings = EvaluationSettings(
        limit=asked.images,
        steps=asked.steps,
        readout_train=asked.readout if member.data == "mnist" else 0,
        generalise=asked.generalise,
        per_angle=asked.per_angle,
        data_root=subject.data_root,
    )
    named = member.data == "mnist"  # whose training images, and other sets, are found by name
    result = evaluate(
        subject.checkpoint,
        subject.data if named else subject.images("test", asked.images),
        settings,
        progress=lambda what, done, total: report(done, total),
    ).as_json()
    return {name: value for name, value in result.items() if name not in PRIVATE}


def coded(subject: Subject, report: Report) -> Json:
    """Return the rate of the code, and the latents that are not 0."""
    asked = subject.protocol
    images = subject.images("test", asked.coded)
    steps = Steps(lambda what, done, total: report(done, total), len(images) * asked.steps)
    random = MEMBERS[subject.member.kind].random
    network = network_at(subject.checkpoint)
    return code_of(network, images, asked.steps, asked.marks, steps.add, random).as_json()


def counted(subject: Subject, report: Report) -> Json:
    """Return the operations of the network's integer form, or those that it would take."""
    asked = subject.protocol
    images = subject.images("test", asked.coded)
    calibration = subject.images("train", CALIBRATION_IMAGES)
    report(0, 0)
    return operations_of(subject.checkpoint, subject.member.beta, images, calibration, asked.marks)


def timed(subject: Subject, report: Report) -> Json:
    """Return seconds per image and R2 by the number of steps."""
    report(0, 0)
    images = subject.images("test", subject.protocol.coded)
    return seconds_of(network_at(subject.checkpoint), images, subject.protocol.steps)


def probed(subject: Subject, report: Report) -> Json:
    """Return the network's features, and what its neurons answer to gratings and plaids."""
    return answers(subject.checkpoint, lambda what, done, total: report(done, total))


def photographed(subject: Subject, report: Report) -> Json:
    """Return the figures of every photograph."""
    network, steps = network_at(subject.checkpoint), subject.protocol.steps
    return photographs_of(
        network, subject.data_root, steps, lambda what, done, total: report(done, total)
    )


WORKS: Final[Mapping[str, Work]] = {
    "evaluation": evaluated,
    "code": coded,
    "operations": counted,
    "seconds": timed,
    "neurons": probed,
    "photographs": photographed,
}
