"""The networks that the figures need, by preset: `quick` for a look, `full` as published."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from benchmarks.paper import published
from ipvae_snn.choices import choose
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.models.family import MEMBERS

Data = Literal["patches", "mnist"]

# Where the state of inference moves by exp(log_lr): LCA's 1 / tau, and that of predictive coding.
SETTLING: Final = ("model.log_lr=-2.0",)
# As the authors' code trains amortised VAEs (PoissonVAE, main/config_vae.py): the sum of squared
# errors (noise sqrt(1/2)), beta that rises over half of the training, relaxation to a temperature
# of 0.05, no weight decay. Its pixels of patches have variance 0.74, ours 1, so that the same ratio
# is a noise of 0.82; its encoder of patches ends in 128 features (docs/paper.md says how that is
# known).
ONE_PASS: Final = (
    "train.beta_ramp_fraction=0.5",
    "train.temperature_end=0.05",
    "train.weight_decay=0.0",
)
ENCODED: Final[Mapping[Data, tuple[str, ...]]] = MappingProxyType(
    {
        "patches": ("model.noise=0.82", 'model.encoder="mlp"', "model.encoder_width=128"),
        "mnist": ("model.noise=0.7071067811865476",),
    }
)
# The paper's soft clips of a Gaussian's mean grow from 1 to 7.
GAUSSIAN: Final = ("model.clip=7.0", "train.clip_start=1.0")
SETS: Final[Mapping[Data, str]] = MappingProxyType({"patches": "vanhateren", "mnist": "mnist"})
PATCHES: Final = ('data.whiten="vafaii"',)
SHORT: Final = ("train.batch_size=100", "train.steps_start=0", "train.validation_interval=0")
# LCA has no horizon in the published figures; its weights learn from the code after these steps.
LCA: Final = "lca"
LEARNT_UPDATE: Final = "iterative-amortised"
LCA_STEPS: Final = MappingProxyType({"quick": 16, "full": 64})


@dataclass(frozen=True)
class Member:
    """A network of the family.

    steps: T of its training. beta: lambda for LCA. neurons: K.
    """

    kind: str
    steps: int
    beta: float
    neurons: int
    seed: int = 0
    data: Data = "patches"

    @property
    def name(self) -> str:
        """The name of its folder."""
        size = f"T{self.steps}-b{self.beta:g}-K{self.neurons}-s{self.seed}"
        return f"{self.kind}-{size}{'' if self.data == 'patches' else '-mnist'}"

    @property
    def one_step(self) -> bool:
        """Whether inference is one pass of an encoder."""
        return MEMBERS[self.kind].one_step


@dataclass(frozen=True)
class Protocol:
    """How a network is judged.

    steps: of inference. images: held-out ones. readout: training images of the label read-out.
    per_angle: images that are turned by each angle; 0, and no other sets, unless generalise.
    coded: images whose rate and messages are counted. marks: steps whose operations are counted.
    """

    steps: int
    images: int
    readout: int
    per_angle: int
    generalise: bool
    coded: int
    marks: tuple[int, ...]


@dataclass(frozen=True)
class Chain:
    """How LCA is trained over its penalties lambda: from the features of a neighbour.

    first: the penalty that is trained from noise, with so many iterations; the others, away from
    it, have `further` each. learning_rate: of the optimiser.
    """

    first: float
    iterations: int
    further: int
    learning_rate: float

    def before(self, member: Member, all_of: Iterable[Member]) -> Member | None:
        """Return the network that `member` starts from: the next one towards the first penalty."""
        if member.kind != LCA or member.beta == self.first:
            return None
        low, high = sorted((member.beta, self.first))
        between = [
            one
            for one in all_of
            if replace(one, beta=member.beta) == member
            and low <= one.beta <= high
            and one != member
        ]
        return min(between, key=lambda one: abs(one.beta - member.beta), default=None)


@dataclass(frozen=True)
class Preset:
    """Settings of training by the images, the way to judge, and the networks of each figure.

    sets: names of data sets. bases: the presets of the package. changes: of their settings.
    iterations: by the images.
    one_pass: iterations by the images of networks whose inference is one pass of an encoder.
    chain: of LCA's networks, None where each is trained as the others are.
    """

    name: str
    sets: Mapping[Data, str]
    bases: Mapping[Data, str]
    changes: Mapping[Data, tuple[str, ...]]
    iterations: Mapping[Data, int]
    one_pass: Mapping[Data, int]
    protocol: Protocol
    figures: Mapping[str, tuple[Member, ...]]
    chain: Chain | None = None

    def config(self, member: Member) -> Config:
        """Return the settings with which a network is trained."""
        lengths = self.one_pass if member.one_step else self.iterations
        base = load_preset(self.bases[member.data])
        changes = [
            *self.changes[member.data],
            f'data.name="{self.sets[member.data]}"',
            f'model.kind="{member.kind}"',
            f"model.n_latents={member.neurons}",
            f"train.steps={member.steps}",
            f"train.seed={member.seed}",
            f"train.iterations={lengths[member.data]}",
        ]
        if member.kind == LCA:
            changes += [f"model.threshold={member.beta}", *SETTLING]
            if self.chain is not None:
                first = member.beta == self.chain.first
                length = self.chain.iterations if first else self.chain.further
                changes += [
                    f"train.iterations={length}",
                    f"train.learning_rate={self.chain.learning_rate}",
                ]
        elif MEMBERS[member.kind].random:
            changes += [f"train.beta={member.beta}"]
        else:
            changes += SETTLING
        if "gaussian" in member.kind:
            changes += GAUSSIAN
        if member.one_step:
            clip = with_overrides(base, changes).model.clip  # as soft from the start
            changes += [*ONE_PASS, *ENCODED[member.data], f"train.clip_start={clip}"]
        if MEMBERS[member.kind].network and member.data == "mnist":
            changes += ['model.encoder="convolutional"']
        return with_overrides(base, changes)

    def judged(self, member: Member) -> Protocol:
        """Return how a network is judged: one pass takes a step, and one seed sees other sets.

        An update that is a network's holds for the steps of training alone: beyond them it runs
        away (measured: R2 far below -100 at 200 steps), so it is judged there.
        """
        protocol = self.protocol
        if member.kind.startswith(LEARNT_UPDATE):
            protocol = replace(protocol, steps=member.steps, marks=(member.steps,))
        if member.one_step:
            protocol = replace(protocol, steps=1, marks=(1,))
        return replace(protocol, generalise=member.data == "mnist" and member.seed == 0)

    def limited(self, images: int) -> "Preset":
        """Return the preset judged on so many images."""
        return replace(self, protocol=replace(self.protocol, images=images))

    def only(self, members: Collection[Member]) -> "Preset":
        """Return the preset with these networks alone, and the figures that have any of them."""
        figures = {
            name: tuple(one for one in listed if one in members)
            for name, listed in self.figures.items()
        }
        some = {name: members for name, members in figures.items() if members}
        return replace(self, figures=some)

    def members(self, figures: Iterable[str]) -> tuple[Member, ...]:
        """Return the networks of some figures, each once, after the one from which it starts."""
        ordered: dict[Member, None] = {}
        for name in figures:
            for member in self.figures[name]:
                line = [member]
                while (before := self.start_of(line[-1])) is not None:
                    line.append(before)
                ordered.update(dict.fromkeys(reversed(line)))
        return tuple(ordered)

    def start_of(self, member: Member) -> Member | None:
        """Return the network whose parameters a network starts from, if there is one."""
        if self.chain is None:
            return None
        return self.chain.before(member, (one for some in self.figures.values() for one in some))


def preset_of(name: str, iterations: int | None = None) -> Preset:
    """Return a preset by its name, with other iterations for all networks if they are given.

    Raises ConfigError for an unknown name.
    """
    preset = {"quick": quick, "full": full}[choose(name, ["quick", "full"], "preset")]()
    if iterations is None:
        return preset
    lengths = dict.fromkeys(preset.iterations, iterations)
    chain = preset.chain
    if chain is not None:
        chain = replace(chain, iterations=iterations, further=iterations)
    return replace(preset, iterations=lengths, one_pass=lengths, chain=chain)


def quick() -> Preset:
    """Return the same figures from short trainings: under an hour on two cores."""
    size, lca = 256, LCA_STEPS["quick"]
    patches = (
        *(Member("poisson", 16, beta, size) for beta in (8, 24, 48)),
        Member("poisson", 8, 12, size),
        Member("poisson", 32, 48, size),
        *(Member("gaussian", 16, beta, size) for beta in (8, 24)),
        *(Member("gaussian-relu", 16, beta, size) for beta in (8, 24)),
        *(Member(kind, 1, beta, size) for kind in _ONE_PASS for beta in (0.1, 1)),
        *(Member("lca", lca, penalty, size) for penalty in (0.3, 0.5, 1)),
    )
    table = (
        *(Member("poisson", 16, 16, size, seed, "mnist") for seed in range(2)),
        *(Member("gaussian", 16, 16, size, seed, "mnist") for seed in range(2)),
        *(Member("gaussian-relu", 16, 16, size, seed, "mnist") for seed in range(2)),
        *(Member(kind, 1, 1, size, seed, "mnist") for kind in _ONE_PASS for seed in range(2)),
        *(Member(kind, 16, 1, 64, seed, "mnist") for kind in _PC for seed in range(2)),
    )
    return Preset(
        "quick",
        SETS,
        {"patches": "patches", "mnist": "mnist"},
        {"patches": (*PATCHES, *SHORT), "mnist": (*SHORT, "model.encoder_width=32")},
        {"patches": 500, "mnist": 400},
        {"patches": 1000, "mnist": 800},
        Protocol(200, 500, 1000, 50, True, 100, (16, 64)),
        _figures(
            patches,
            tuple(Member("poisson", 16, 24, neurons, 0) for neurons in (64, 128, size, 512)),
            table,
            tuple(Member(kind, 16, 16, size, 0, "mnist") for kind in _HYBRID),
            size,
            lca,
        ),
    )


def full() -> Preset:
    """Return the published settings and all published points; days on a processor."""
    size, lca = 512, LCA_STEPS["full"]
    points = (Member(p.kind, p.steps or lca, p.beta, size) for p in published.landscape())
    seeds: dict[str, int] = {}
    table = []
    for row in published.mnist_table():
        seed = seeds.setdefault(row.kind, 0)
        seeds[row.kind] += 1
        steps = row.steps or PC_STEPS
        table.append(Member(row.kind, steps, row.beta or 1.0, row.neurons, seed, "mnist"))
    return Preset(
        "full",
        SETS,
        {"patches": "paper-patches", "mnist": "paper-mnist"},
        {"patches": PATCHES, "mnist": ()},
        {"patches": 75_000, "mnist": 240_000},
        {"patches": 75_000, "mnist": 240_000},
        Protocol(1000, 10_000, 60_000, 500, True, 500, (16, 64, 256, 1000)),
        _figures(
            tuple(dict.fromkeys((*points, *(Member("poisson", 16, 24, size, s) for s in SEEDS)))),
            tuple(Member("poisson", 16, 24, n) for n in (64, 128, 256, size, 1024, 2048)),
            tuple(table),
            tuple(Member(kind, 32, 32, size, 0, "mnist") for kind in _HYBRID),
            size,
            lca,
        ),
        Chain(0.5, 4000, 1000, 0.05),
    )


SEEDS: Final = range(5)  # of the iP-VAE of the paper's figure 3
PC_STEPS: Final = 64  # of predictive coding, whose published rows name none
_ONE_PASS: Final = ("amortised-poisson", "amortised-gaussian", "amortised-gaussian-relu")
_PC: Final = ("predictive-coding", "incremental-predictive-coding")
_HYBRID: Final = ("semi-amortised-poisson", "iterative-amortised-poisson")


def same_but_seed(one: Member, other: Member) -> bool:
    """Return whether two networks differ by nothing but their seed."""
    return replace(one, seed=other.seed) == other


def _figures(
    patches: tuple[Member, ...],
    sizes: tuple[Member, ...],
    table: tuple[Member, ...],
    hybrids: tuple[Member, ...],
    size: int,
    lca: int,
) -> Mapping[str, tuple[Member, ...]]:
    """Return the networks by figure; the names are those of `figures.catalogue.FIGURES`."""
    three = (
        Member("poisson", 16, 24, size),
        Member("gaussian", 16, 8, size),
        Member("gaussian-relu", 16, 8, size),
    )
    passes = tuple(Member(kind, 1, 1, size) for kind in _ONE_PASS[:2])
    sparse = Member("lca", lca, 0.5, size)
    first = tuple(one for one in table if one.seed == 0 and one.kind not in _PC)
    return MappingProxyType(
        {
            "convergence": three,
            "landscape": patches,
            "seeds": tuple(one for one in patches if same_but_seed(one, three[0])),
            "photographs": (*three, sparse),
            "map_and_samples": patches,
            "rate_distortion": tuple(one for one in patches if one.kind != "lca"),
            "latents": sizes,
            "mnist_table": table,
            "angles": (*first, *hybrids),
            "other_sets": (*first, *hybrids),
            "wall_clock": (*three, *passes),
            "operations": (*three, sparse, *passes),
            "neurons": (*three, sparse, *passes),
        }
    )
