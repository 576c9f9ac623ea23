"""Typed builder over onnx.helper: values carry their element type, constants are shared.

`Graph` collects the nodes of one ONNX graph. A subgraph (the body of a Loop or a branch of an
If) is a `Graph` with a parent: it may use every value of its ancestors, and its constants become
initialisers of the outermost graph, so that each is stored once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ipvae_snn.arrays import Array

OPSET: Final = 21  # newest that ONNX Runtime 1.20 runs without a warning
IR_VERSION: Final = 10  # newest that ONNX Runtime 1.20 reads

BOOL: Final[int] = TensorProto.BOOL
UINT8: Final[int] = TensorProto.UINT8
UINT32: Final[int] = TensorProto.UINT32
UINT64: Final[int] = TensorProto.UINT64
INT32: Final[int] = TensorProto.INT32
INT64: Final[int] = TensorProto.INT64
FLOAT32: Final[int] = TensorProto.FLOAT
FLOAT64: Final[int] = TensorProto.DOUBLE

Dim = int | str


@dataclass(frozen=True)
class Value:
    """One tensor of a graph: its unique name and its ONNX element type."""

    name: str
    dtype: int


Operand = Value | int | float


@dataclass(frozen=True)
class _Constants:
    """Shared state of the graphs of one model: initialisers by content, a counter for names."""

    by_content: dict[tuple[str, tuple[int, ...], bytes], Value]
    tensors: list[TensorProto]
    counter: list[int]


class Graph:
    """Collects inputs, nodes and outputs; every method that adds a node returns its output."""

    def __init__(self, name: str, parent: Graph | None = None) -> None:
        self.name = name
        self._shared: _Constants = parent._shared if parent else _Constants({}, [], [0])
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    # -- elements of a graph ------------------------------------------------------------------

    def input(self, name: str, dtype: int, shape: Sequence[Dim] | None, doc: str = "") -> Value:
        """Declare an input; `shape` None leaves the rank open (needed by loops over lists)."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape, doc))
        return Value(name, dtype)

    def output(self, name: str, value: Value, shape: Sequence[Dim] | None, doc: str = "") -> None:
        """Declare that `value` is the output `name`."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, value.dtype, shape, doc))

    def constant(self, array: Array, name: str = "c") -> Value:
        """Return `array` as an initialiser of the outermost graph; equal arrays are shared."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype.str, array.shape, array.tobytes())
        initialiser = self._shared.by_content.get(key)
        if initialiser is None:
            tensor = numpy_helper.from_array(array, self._fresh(name))
            initialiser = Value(tensor.name, tensor.data_type)
            self._shared.by_content[key] = initialiser
            self._shared.tensors.append(tensor)
        return initialiser

    def scalar(self, number: int | float, dtype: int) -> Value:
        """Return a constant of rank 0."""
        return self.constant(np.array(number, dtype=helper.tensor_dtype_to_np_dtype(dtype)))

    def ints(self, *numbers: int) -> Value:
        """Return a constant int64 vector: a shape, axes or bounds."""
        return self.constant(np.array(numbers, dtype=np.int64))

    def op(
        self, kind: str, *operands: Operand, dtype: int | None = None, **attributes: Any
    ) -> Value:
        """Add a node. Numbers become constants of the first Value's type, which all must share.

        `dtype` is the result's element type if it differs from the operands'.
        """
        element = next(o.dtype for o in operands if isinstance(o, Value))
        values = [o if isinstance(o, Value) else self.scalar(o, element) for o in operands]
        return self.raw(kind, values, [element if dtype is None else dtype], **attributes)[0]

    def raw(
        self, kind: str, values: Sequence[Value], dtypes: Sequence[int], **attributes: Any
    ) -> list[Value]:
        """Add a node of several outputs, or one whose operands differ in type."""
        outputs = [Value(self._fresh(kind), dtype) for dtype in dtypes]
        names = [value.name for value in values]
        self._nodes.append(
            helper.make_node(kind, names, [o.name for o in outputs], outputs[0].name, **attributes)
        )
        return outputs

    def _fresh(self, stem: str) -> str:
        self._shared.counter[0] += 1
        return f"{stem}_{self._shared.counter[0]}"

    # -- operators with type restrictions -----------------------------------------------------

    def cast(self, value: Value, dtype: int) -> Value:
        """Return `value` as another type; ONNX defines that integers wrap (two's complement)."""
        if value.dtype == dtype:
            return value
        return self.op("Cast", value, dtype=dtype, to=dtype)

    def shift_right(self, value: Value, shift: Operand) -> Value:
        """Return value >> shift for a nonnegative value (BitShift takes unsigned integers only)."""
        unsigned = UINT32 if value.dtype in (INT32, UINT32) else UINT64
        amount = self.cast(shift, unsigned) if isinstance(shift, Value) else shift
        moved = self.op("BitShift", self.cast(value, unsigned), amount, direction="RIGHT")
        return self.cast(moved, value.dtype)

    def floor_shift(self, value: Value, shift: Operand, lifted: Operand) -> Value:
        """Return value >> shift (arithmetic) of an int64 of magnitude below 2**61, shift <= 40.

        Adding 2**62, a multiple of 2**shift, makes the value positive and moves the result by
        2**(62 - shift), which the caller gives as `lifted`. (Div truncates, Mod is slow.)
        """
        moved = self.shift_right(self.op("Add", value, 1 << 62), shift)
        return self.op("Sub", moved, lifted)

    def compare(self, kind: str, left: Value, right: Operand) -> Value:
        """Return the bool tensor of Less, LessOrEqual, Greater, GreaterOrEqual or Equal."""
        return self.op(kind, left, right, dtype=BOOL)

    def gather(self, table: Value, index: Value, axis: int = 0) -> Value:
        """Return the entries of `table` along `axis` at `index` (int32 or int64)."""
        return self.raw("Gather", [table, index], [table.dtype], axis=axis)[0]

    def nonzero(self, mask: Value) -> Value:
        """Return int64 (rank, n): where the bool tensor is true, in row-major order."""
        return self.op("NonZero", mask, dtype=INT64)

    def reshape(self, value: Value, *shape: int) -> Value:
        """Return `value` with a constant shape in which one entry may be -1."""
        return self.raw("Reshape", [value, self.ints(*shape)], [value.dtype])[0]

    def columns(self, value: Value, start: int, size: int) -> Value:
        """Return `size` columns of a matrix from `start` on."""
        bounds = [self.ints(start), self.ints(start + size), self.ints(1)]
        return self.raw("Slice", [value, *bounds], [value.dtype])[0]

    def side_by_side(self, values: Sequence[Value]) -> Value:
        """Return matrices with the same rows as one."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def unsqueeze(self, value: Value, axis: int) -> Value:
        """Return `value` with a new axis of length 1."""
        return self.raw("Unsqueeze", [value, self.ints(axis)], [value.dtype])[0]

    def shape(self, value: Value) -> Value:
        """Return the shape as an int64 vector."""
        return self.op("Shape", value, dtype=INT64)

    def full(self, shape: Value, number: int, dtype: type[np.generic]) -> Value:
        """Return a tensor of the given shape filled with `number`."""
        fill = numpy_helper.from_array(np.array([number], dtype=dtype))
        return self.op("ConstantOfShape", shape, dtype=fill.data_type, value=fill)

    def reduce(self, kind: str, value: Value, *axes: int, keepdims: bool = False) -> Value:
        """Return ReduceSum or ReduceMax over `axes` (all, if none are given)."""
        operands = [value, self.ints(*axes)] if axes else [value]
        return self.raw(kind, operands, [value.dtype], keepdims=int(keepdims))[0]

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return `yes` where the condition holds, else `no`."""
        return self.raw("Where", [condition, yes, no], [yes.dtype])[0]

    # -- control flow -------------------------------------------------------------------------

    def branch(
        self, condition: Value, yes: Callable[[Graph], Value], no: Callable[[Graph], Value]
    ) -> Value:
        """Return the output of `yes` or `no`, depending on a bool scalar; only that one runs."""
        bodies, dtypes = [], []
        for name, build in (("then", yes), ("otherwise", no)):
            body = Graph(self._fresh(name), self)
            value = build(body)
            body.output(body._fresh("result"), value, None)
            bodies.append(body.proto())
            dtypes.append(value.dtype)
        return self.raw(
            "If", [condition], [dtypes[0]], then_branch=bodies[0], else_branch=bodies[1]
        )[0]

    def loop(
        self,
        trips: Value | None,
        state: Sequence[Value],
        build: Callable[[Graph, Value, list[Value]], tuple[Value | None, list[Value], list[Value]]],
        shapes: Sequence[Sequence[Dim] | None] | None = None,
        condition: Value | None = None,
    ) -> list[Value]:
        """Return the final state and the scan outputs of an ONNX Loop.

        trips: int64 scalar, the number of iterations, or None for no limit. `build(body,
        iteration, state)` returns (continue: bool scalar, or None for always; new state; scan
        outputs). `shapes` are those of the state; condition: whether to run the first iteration.
        """
        body = Graph(self._fresh("body"), self)
        iteration = body.input(body._fresh("iteration"), INT64, [])
        going = body.input(body._fresh("going"), BOOL, [])
        carried = [
            body.input(body._fresh("carried"), value.dtype, shape)
            for value, shape in zip(state, shapes or [None] * len(state), strict=True)
        ]
        go_on, new_state, scans = build(body, iteration, carried)
        body.output(body._fresh("go_on"), go_on or going, [])
        for value in [*new_state, *scans]:
            body.output(body._fresh("next"), value, None)
        first = condition or self.constant(np.array(True))
        inputs = [trips or Value("", INT64), first, *state]
        dtypes = [value.dtype for value in [*new_state, *scans]]
        return self.raw("Loop", inputs, dtypes, body=body.proto())

    # -- the finished graph -------------------------------------------------------------------

    def proto(self, initializers: Sequence[TensorProto] = ()) -> onnx.GraphProto:
        """Return the graph; a subgraph has no initialisers of its own."""
        return helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, list(initializers)
        )

    def model(self, doc: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """Return the checked model of this outermost graph, with its text metadata."""
        model = helper.make_model(
            self.proto(self._shared.tensors),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ipvae-snn",
            producer_version=metadata["ipvae_snn.version"],
            doc_string=doc,
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model
