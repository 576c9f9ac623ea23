"""The reference: executes an integer network slowly and readably, as docs/ir.md specifies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ipvae_snn.arrays import Int64, Integers, UInt8
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection, Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons, Relaying, Stateful
from ipvae_snn.ir.neurons.protocol import Draw, OfPopulation
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.sampler import SPIKE_BITS
from ipvae_snn.ir.session import FromFunction
from ipvae_snn.ir.shapes import FloatImages, Images, PerImage, PerPixel, Saturated
from ipvae_snn.ir.stop import Reconstruct, Until
from ipvae_snn.ir.trace import (
    SATURATIONS,
    RunRequest,
    StepValues,
    Trace,
    check_request,
    frames_of,
)
from ipvae_snn.watcher import current_watcher

CHUNK = 64  # images at a time; bounds the memory of a run, changes no result

# Of every population, by name: its neurons' states, or the payloads that they send.
Values = Mapping[str, OfPopulation]


@dataclass(frozen=True)
class Shown:
    """What the network keeps of an image while it is shown: payloads (N, M), and scaled sums.

    sums: of each connection that comes from the image, by its name.
    """

    payload: PerPixel
    sums: Values


@dataclass(frozen=True)
class Keys:
    """What a draw is keyed by: the run's seed, the images' indices (N,), and the step."""

    seed: int
    images: npt.ArrayLike
    step: int


class Read(NamedTuple):
    """What a reconstruction is made from, after the last step of an image or frame.

    added (N, K): counts of the last `steps` steps, as the decoding has them, added up; state
    (N, K): membrane potentials after the last step. Both of all computing neurons; what the
    decoding does not need is ignored.
    """

    added: Integers
    state: Integers
    steps: int


def show(network: IntegerNetwork, pixels: Images) -> Shown:
    """Return what the network keeps of images while they are shown."""
    payload = pixels.astype(np.int64) - network.input.zero_point
    once = [one for one in network.connections if network.once(one)]
    return Shown(payload, {one.name: scaled_sums(one, payload) for one in once})


def initial(network: IntegerNetwork, n_images: int) -> Values:
    """Return the states of all populations with a state before any image acts on them."""
    return {one.name: _stateful(one).initial(n_images) for one in _with_state(network)}


def appear(network: IntegerNetwork, pixels: Images) -> Values:
    """Return the states of all populations with a state when these images appear.

    Of moving images, they are the first frames. Without a start the states are `initial`.
    """
    states, start = dict(initial(network, len(pixels))), network.start
    if start is not None:
        moved = scaled_sums(start, pixels.astype(np.int64) - network.input.zero_point)
        neurons = cast(PoissonNeurons, network.population(start.target).neurons)
        states[start.target] = neurons.begin(moved)
    return states


def send(network: IntegerNetwork, states: Values, keys: Keys) -> Values:
    """Return the payloads that the populations with a state send in a step."""
    first = network.drawn()

    def draw_of(population: Population) -> Draw:
        start = first.get(population.name, 0)

        def of_part(part: int) -> OfPopulation:
            stop = start + population.size
            drawn = uniforms(keys.seed, keys.images, keys.step, stop, part)
            return drawn[:, start:].astype(np.int64)

        return of_part

    return {
        one.name: _stateful(one).send(states[one.name], draw_of(one))
        for one in _with_state(network)
    }


def relay(network: IntegerNetwork, shown: Shown, sent: Values) -> tuple[Values, PerImage]:
    """Return the payloads of all populations, and how many neurons without a state saturated.

    sent: payloads of the populations with a state.
    """
    result = dict(sent)
    saturated = np.zeros(len(shown.payload), np.int64)
    for one in network.relays:
        total = total_of(network, one, shown, result)
        result[one.name], hits = cast(Relaying, one.neurons).relay(shown.payload, total)
        saturated += hits
    return result, saturated


def integrate(
    network: IntegerNetwork, states: Values, shown: Shown, sent: Values
) -> tuple[Values, Saturated]:
    """Return the states after the payloads of this step, and what saturated, by SATURATIONS.

    On a chip, sums leave their synapses after the payloads were sent. Nothing happens to a neuron
    in between, so the update counts as part of the same step (docs/ir.md, Timing).
    """
    payloads, residuals = relay(network, shown, sent)
    saturated = np.zeros((len(residuals), len(SATURATIONS)), np.int64)
    saturated[:, SATURATIONS.index("residual")] = residuals
    after = {}
    for one in _with_state(network):
        total = total_of(network, one, shown, payloads)
        after[one.name], hits = _stateful(one).integrate(states[one.name], total, sent[one.name])
        saturated += hits
    return after, saturated


def total_of(
    network: IntegerNetwork, population: Population, shown: Shown, payloads: Values
) -> OfPopulation:
    """Return the scaled sums that reach a population, all connections together."""
    total = np.zeros((len(shown.payload), population.size), np.int64)
    for one in network.into(population.name):
        held = one.source == IMAGE
        total += shown.sums[one.name] if held else scaled_sums(one, payloads[one.source])
    return total


def scaled_sums(
    connection: Connection, payload: Annotated[Int64, "N sources"]
) -> Annotated[Int64, "N targets"]:
    """Return the scaled sums of a connection; its sums fit the accumulator."""
    total = connection.synapses.weights.sums(payload)
    limit = signed_limit(ACCUMULATOR_BITS)
    if np.abs(total).max(initial=0) > limit:
        raise BackendError(
            f"interpreter: a {connection.name} sum left the {ACCUMULATOR_BITS}-bit accumulator's "
            f"{limit}, which conversion proved to be impossible; please report this"
        )
    return connection.synapses.scaled(total)


def decode(network: IntegerNetwork, counts: Annotated[Integers, "N K"]) -> FloatImages:
    """Return what one step's counts of all computing neurons decode to, in any network."""
    where = network.slices(network.computing)[network.decoder.source]
    return network.decoder.decode(counts[:, where])


def reconstruct(network: IntegerNetwork, read: Read) -> FloatImages:
    """Return the reconstruction as the network's decoder has it (docs/ir.md, Reconstruction)."""
    return network.decoder.decode(*payload_of(network, read))


def payload_of(network: IntegerNetwork, read: Read) -> tuple[Annotated[Integers, "N size"], int]:
    """Return the payload that the decoder reads of its population, and the payload of one spike."""
    source = network.population(network.decoder.source)
    where = network.slices(network.computing)[source.name]
    if network.decoder.decoding.kind == "map":
        potentials = read.state[:, where].astype(np.int64)
        return cast(PoissonNeurons, source.neurons).rates(potentials), 1 << SPIKE_BITS
    return read.added[:, where], read.steps


def steps(
    network: IntegerNetwork, frames: Annotated[UInt8, "N F M"], request: RunRequest, first: int
) -> Iterator[tuple[Values, Values, Saturated]]:
    """Yield payloads, states after the update and saturations of every step of every frame.

    The states go on from frame to frame. first: index of the first image.
    """
    states = appear(network, frames[:, 0])
    images = first + np.arange(len(frames), dtype=np.int64)
    for step in range(frames.shape[1] * request.steps):
        if step % request.steps == 0:
            shown = show(network, frames[:, step // request.steps])
        sent = send(network, states, Keys(request.seed, images, step))
        states, saturated = integrate(network, states, shown, sent)
        yield sent, states, saturated


def run(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run `pixels` (N, M) or (N, F, M) uint8 through the network and return the trace."""
    check_request(network, pixels, request)
    frames = frames_of(pixels)
    n, t = len(frames), frames.shape[1] * request.steps
    trace = Trace.empty(network, pixels.shape, request)
    window = network.decoder.decoding.window(request.steps)
    report = current_watcher().progress
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        if request.stop is not None:
            _run_until_done(network, pixels, request, trace, rows)
            report(rows.stop * t, n * t)
            continue
        result = steps(network, frames[rows], request, request.first_image + start)
        for step, (sent, states, hits) in enumerate(result):
            counts, after, *_ = values = gathered(network, sent, states, hits)
            trace.keep_step(rows, step, values)
            frame, within = divmod(step, request.steps)
            if within == 0:
                added = np.zeros_like(counts)
            if within >= request.steps - window:
                added += counts
            if within == request.steps - 1:
                decoded = reconstruct(network, Read(added, after, window))
                trace.keep_image(rows, frame, decoded)
            report(start * t + (rows.stop - start) * (step + 1), n * t)
    trace.hold()
    return trace


def _run_until_done(
    network: IntegerNetwork, pixels: Images, request: RunRequest, trace: Trace, rows: slice
) -> None:
    """Fill in the trace of some still images, each up to its last step (docs/ir.md, Stop)."""
    until = Until(rows, trace, request, network)
    shown, states = show(network, pixels[rows]), appear(network, pixels[rows])
    step = 0
    while len(until.running):
        images = until.running
        sent = send(network, states, Keys(request.seed, request.first_image + images, step))
        before = side_by_side(network.computing, states)
        states, hits = integrate(network, states, shown, sent)
        counts, after, *_ = values = gathered(network, sent, states, hits)
        trace.keep_step(images, step, values)
        on = until.after_step(step, before, after, counts, reconstruction_of(network))
        states = {name: state[on] for name, state in states.items()}
        sums = {name: total[on] for name, total in shown.sums.items()}
        shown, step = Shown(shown.payload[on], sums), step + 1


def reconstruction_of(network: IntegerNetwork) -> Reconstruct:
    """Return `reconstruct` as a function of added counts, states and a number of steps."""

    def reconstructed(added: Integers, state: Integers, steps: int) -> FloatImages:
        return reconstruct(network, Read(added, state, steps))

    return reconstructed


BACKEND: Final = FromFunction(run)  # the reference prepares nothing: it stays readable


def _with_state(network: IntegerNetwork) -> tuple[Population, ...]:
    return tuple(one for one in network.populations if one.neurons.role != "relays")


def _stateful(population: Population) -> Stateful:
    return cast(Stateful, population.neurons)


def gathered(network: IntegerNetwork, sent: Values, states: Values, hits: Int64) -> StepValues:
    """Return what a step leaves, from each population's counts and states after it."""
    accumulating = network.accumulating
    return StepValues(
        side_by_side(network.computing, sent),
        side_by_side(network.computing, states),
        side_by_side(accumulating, states) if accumulating else None,
        hits,
    )


def side_by_side(populations: tuple[Population, ...], values: Values) -> Int64:
    """Return the values of some populations as one array (N, sizes added); of one, as it is."""
    if len(populations) == 1:
        return values[populations[0].name]
    return np.concatenate([values[one.name] for one in populations], axis=1)
