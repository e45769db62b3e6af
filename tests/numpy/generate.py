"""Writes NumPy's answers as small files, so that tests can compare with them and need no Python.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install 'numpy==2.4.6'
    /tmp/venv/bin/python tests/numpy/generate.py

writes `tests/numpy/data/`:

`<dtype>.npy`
    one vector per element type: all the inputs and answers of that type, one after the other.
    Equal stretches are stored once.

`index.txt`
    one case a line, four fields separated by tabs (lines that begin with `#` are comments):

        operation   parameters   inputs   answer

    operation    NumPy's name. `slice`, `astype` and `where` are what `x[...]`, `x.astype` and `np.where` do.
    parameters   `name=value`, separated by spaces, or `-` for none (see below)
    inputs       arrays, separated by spaces
    answer       an array, or `error` where NumPy raises an exception

    An array is `dtype:offset:shape`: elements `offset ..` of `<dtype>.npy`, in C order. A shape is `3x4`, or
    `()` for a 0-d array. Operands of different shapes are broadcast: all pairs of a vector's values are
    the shapes `16x1` and `1x16`.

Parameters:

    values=special|finite   of elementwise cases, which values the inputs hold: NaN, infinities, subnormals,
                            extremes and so on, or only ordinary ones
    axis=all|N|N,M          of reductions; absent means all axes, too
    keepdims=1 ddof=1.0
    lower=A upper=B         of clip
    slice=1:5:2,::-1,3,new  items per axis: start:stop:step with absent parts, an index, or a new axis; never
                            bounds outside of the array, which NumPy clips and ndarray refuses
    axes=2,0,1 shift=N shape=2x3 indices=0,2,2
    mode=constant before=1,2 after=0,3 value=7   of pad
    dtype=float32           of astype
    count=2                 of tensordot, or
    left=1,2 right=0,1      the axes of each operand
    subscripts=ij,jk->ik    of einsum

How to compare: NaN equals NaN whatever its sign and payload. Results of `+ - * / sqrt`, comparisons, rounding, integer
and layout operations are exact, the sign of zero included. Transcendental functions are within a few units in the
last place of the truth, which is all that NumPy promises. Sums depend on the order of additions:
compare relative to the sum of the terms' magnitudes. Functions of complex numbers at infinities and NaN
differ between C libraries and are left out.
"""

import itertools
import pathlib
import warnings

import numpy as np

warnings.simplefilter("ignore")
np.seterr(all="ignore")

BOOL = ["bool"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGERS = SIGNED + UNSIGNED
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
REAL = BOOL + INTEGERS + FLOATS
ALL = REAL + COMPLEX

FOLDER = pathlib.Path(__file__).parent / "data"


class Store:
    """The vectors, and the lines of the index."""

    def __init__(self):
        self.bytes = {dtype: b"" for dtype in ALL}
        self.known = {}
        self.lines = []

    def reference(self, array):
        array = np.asarray(array)
        dtype, data = str(array.dtype), array.tobytes()
        assert dtype in ALL, dtype
        key = (dtype, data)
        if key not in self.known:
            self.known[key] = len(self.bytes[dtype]) // array.itemsize
            self.bytes[dtype] += data
        shape = "x".join(map(str, array.shape)) if array.ndim else "()"
        return f"{dtype}:{self.known[key]}:{shape}"

    def case(self, operation, inputs, function, **parameters):
        """Adds what `function` makes of the inputs."""
        try:
            answer = self.reference(function(*inputs))
        except (ValueError, ZeroDivisionError):
            answer = "error"
        words = [f"{name}={value}" for name, value in parameters.items()]
        references = [self.reference(array) for array in inputs]
        self.lines.append("\t".join([operation, " ".join(words) or "-", " ".join(references), answer]))

    def comment(self, text):
        self.lines.append(f"# {text}")

    def write(self):
        FOLDER.mkdir(exist_ok=True)
        for dtype, data in self.bytes.items():
            np.save(FOLDER / f"{dtype}.npy", np.frombuffer(data, dtype=dtype))
        head = f"# Written by generate.py, which explains the format. NumPy {np.__version__}.\n"
        (FOLDER / "index.txt").write_text(head + "\n".join(self.lines) + "\n")


# ---------------------------------------------------------------------------------------------- values


def special(dtype):
    """What goes wrong if anything does, few enough that all pairs can be tried."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        values = {0, 1, 2, 3, 7, info.max, info.max - 1, info.max // 2, info.min, info.min + 1}
        if info.min < 0:
            values |= {-1, -2, -7}
        return np.array(sorted(values), dtype=dtype)
    if dtype in FLOATS:
        info = np.finfo(dtype)
        values = [np.nan, np.inf, 0.0, 0.5, 1.0, 2.5, 3.0, info.smallest_subnormal, info.tiny, info.max, 1e10]
        values = np.array(values, dtype=dtype)
        return np.concatenate([values, -values[1:8], -values[9:10]])
    parts = special("float32" if dtype == "complex64" else "float64")[[0, 1, 2, 4, 5, 11, 12]]
    pairs = [complex(a, b) for a, b in itertools.product(parts, parts)]
    return np.array(pairs, dtype=dtype)


def many(dtype):
    """The special values and more, for functions of one argument."""
    if dtype not in FLOATS:
        return special(dtype)
    info = np.finfo(dtype)
    more = [1e-30, 1e-8, 1e-3, 0.1, 0.25, 0.75, 0.9, 1.1, 1.5, 2.0, 3.5, 4.0, 10.0, 20.0, 88.5, 100.0, 709.5, 1e4, 1e6, 1e15]
    more += [np.pi / 6, np.pi / 4, np.pi / 2, np.pi, 2 * np.pi, 1e5 * np.pi, np.e, np.log(2), np.sqrt(0.5)]
    more += [1 - info.epsneg, 1 + info.eps, info.max / 2, info.tiny * 3, info.smallest_subnormal * 5, 1e22, 1e37]
    if dtype == "float64":
        more += [1e100, 1e300, 745.2, 5e-324, 1e-310]
    more = np.array(more, dtype=dtype)
    return np.concatenate([special(dtype), more, -more])


def finite(dtype):
    """Ordinary values, the signs of zero included."""
    if dtype in COMPLEX:
        parts = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.25, -3.0]
        return np.array([complex(a, b) for a, b in itertools.product(parts, parts)], dtype=dtype)
    values = [0, 1, 2, 3, 5, 10]
    if dtype in SIGNED + FLOATS:
        values += [-1, -2, -3, -5]
    if dtype in FLOATS:
        values += [-0.0, 0.25, -0.75, 1.5]
    return np.array(values, dtype=dtype)


# ------------------------------------------------------------------------------------------ elementwise

UNARY = {
    "negative": INTEGERS + FLOATS + COMPLEX,
    "positive": INTEGERS + FLOATS + COMPLEX,
    "absolute": INTEGERS + FLOATS,
    "sign": INTEGERS + FLOATS,
    "square": INTEGERS + FLOATS,
    "invert": BOOL + INTEGERS,
    "logical_not": ALL,
    "isfinite": ALL,
    "isinf": ALL,
    "isnan": ALL,
    "conjugate": INTEGERS + FLOATS + COMPLEX,
    "real": COMPLEX,
    "imag": COMPLEX,
}
UNARY |= dict.fromkeys(["bitwise_count"], INTEGERS)
UNARY |= dict.fromkeys(["floor", "ceil", "trunc"], INTEGERS + FLOATS)
UNARY |= dict.fromkeys(["rint", "signbit", "spacing", "fabs", "reciprocal", "sqrt", "cbrt", "degrees", "radians"], FLOATS)
UNARY |= dict.fromkeys(["exp", "exp2", "expm1", "log", "log2", "log10", "log1p"], FLOATS)
UNARY |= dict.fromkeys(["sin", "cos", "tan", "arcsin", "arccos", "arctan"], FLOATS)
UNARY |= dict.fromkeys(["sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"], FLOATS)

# Of ordinary complex values only.
COMPLEX_UNARY = ["absolute", "square", "sqrt", "reciprocal", "exp", "expm1", "log", "log2", "log10", "log1p"]
COMPLEX_UNARY += ["sin", "cos", "tan", "sinh", "cosh", "tanh", "angle", "sign"]
COMPLEX_UNARY += ["arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"]

BINARY = {}
BINARY |= dict.fromkeys(["add", "subtract", "multiply"], INTEGERS + FLOATS)
BINARY |= dict.fromkeys(["floor_divide", "remainder", "fmod", "true_divide"], INTEGERS + FLOATS)
BINARY |= dict.fromkeys(["maximum", "minimum", "fmax", "fmin"], REAL)
BINARY |= dict.fromkeys(["equal", "not_equal"], ALL)
BINARY |= dict.fromkeys(["less", "less_equal", "greater", "greater_equal"], REAL)
BINARY |= dict.fromkeys(["logical_and", "logical_or", "logical_xor"], ALL)
BINARY |= dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor"], BOOL + INTEGERS)
BINARY |= dict.fromkeys(["gcd", "lcm"], UNSIGNED)
BINARY |= dict.fromkeys(["power", "hypot", "arctan2", "copysign", "nextafter", "heaviside"], FLOATS)
BINARY |= dict.fromkeys(["logaddexp", "logaddexp2"], FLOATS)
COMPLEX_BINARY = ["add", "subtract", "multiply", "true_divide"]


def pairs(values):
    return values[:, None], values[None, :]


def elementwise(store):
    store.comment("elementwise, one operand")
    for name, dtypes in UNARY.items():
        for dtype in dtypes:
            store.case(name, [many(dtype)], getattr(np, name), values="special")
    for name in COMPLEX_UNARY:
        for dtype in COMPLEX:
            values = finite(dtype)
            # Where the function has a pole, C libraries differ about the other part.
            poles = {"log1p": [-1], "arctanh": [-1, 1], "arctan": [1j, -1j], "reciprocal": [0], "tan": [], "sign": []}
            keep = ~np.isin(values, poles.get(name, [0] if name.startswith("log") else []))
            store.case(name, [values[keep]], getattr(np, name), values="finite")

    store.comment("elementwise, two operands: all pairs")
    for name, dtypes in BINARY.items():
        for dtype in dtypes:
            values = special(dtype)
            if dtype in COMPLEX:
                values = values[::3]
            store.case(name, pairs(values), getattr(np, name), values="special")
    for name in COMPLEX_BINARY:
        for dtype in COMPLEX:
            values = finite(dtype)[::3]
            divisors = values[values != 0] if name == "true_divide" else values
            store.case(name, [values[:, None], divisors[None, :]], getattr(np, name), values="finite")
    for dtype in COMPLEX:
        values = finite(dtype)[::5]
        values = values[values != 0]
        store.case("power", pairs(values), np.power, values="finite")
    for dtype in INTEGERS:
        values, bits = special(dtype), np.iinfo(dtype).bits
        exponents = np.array([0, 1, 2, 3, 7], dtype=dtype)
        store.case("power", [values[:, None], exponents[None, :]], np.power, values="special")
        shifts = np.array([0, 1, 2, bits - 1, bits, bits + 1], dtype=dtype)
        for name in ["left_shift", "right_shift"]:
            store.case(name, [values[:, None], shifts[None, :]], getattr(np, name), values="special")

    store.comment("choices, limits, conversions")
    for dtype in ALL:
        a = special(dtype)[:6] if dtype != "bool" else special(dtype)
        store.case("where", [np.array([[True], [False]]), a, a[::-1].copy()], np.where, values="special")
    for dtype in SIGNED + FLOATS:
        clip = lambda x: np.clip(x, x.dtype.type(-2), x.dtype.type(3))
        store.case("clip", [many(dtype)], clip, lower=-2, upper=3)
    for source, target in itertools.product(ALL, ALL):
        if source in COMPLEX and target not in COMPLEX + BOOL:
            continue  # NumPy drops the imaginary part with a warning
        # Floats that an integer type cannot hold convert to what the machine likes.
        values = finite(source) if source in FLOATS and target in INTEGERS else special(source)
        if source in FLOATS and target in UNSIGNED:
            values = values[values >= 0]
        store.case("astype", [values], lambda x: x.astype(target), dtype=target)


def broadcasting(store):
    store.comment("broadcasting")
    rng = np.random.default_rng(1)
    shapes = [((3,), (2, 3)), ((2, 1), (3,)), ((), (2, 2)), ((4, 1, 3), (2, 1)), ((1,), (0,)), ((0, 3), (3,)), ((1, 1), (1,))]
    for a, b in shapes:
        x, y = (rng.integers(-9, 9, shape).astype("int32") for shape in (a, b))
        store.case("add", [x, y], np.add)
        store.case("less", [x, y], np.less)
    store.case("add", [np.zeros(3, "int32"), np.zeros(4, "int32")], np.add)
    store.case("add", [np.zeros((2, 3), "int32"), np.zeros((3, 2), "int32")], np.add)


# ------------------------------------------------------------------------------------------- reductions

REDUCTIONS = {
    "sum": ALL,
    "prod": ALL,
    "mean": ALL,
    "var": ALL,
    "std": ALL,
    "min": REAL,
    "max": REAL,
    "argmin": REAL,
    "argmax": REAL,
    "any": ALL,
    "all": ALL,
    "count_nonzero": ALL,
}
NAN_REDUCTIONS = ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmin", "nanmax", "nanargmin", "nanargmax"]
MOMENTS = ["var", "std", "nanvar", "nanstd"]


def reduce(store, name, x, axis, **more):
    """One case; `axis` is None, a number or a tuple."""
    words = {"axis": "all" if axis is None else ",".join(map(str, np.atleast_1d(axis)))}
    words |= {key: int(value) if value is True else value for key, value in more.items()}
    store.case(name, [x], lambda x: getattr(np, name)(x, axis=axis, **more), **words)


def reduction_inputs(dtype):
    rng = np.random.default_rng(2)
    if dtype == "bool":
        return rng.random((3, 4, 5)) < 0.8
    if dtype in UNSIGNED:
        return rng.integers(0, 9, (3, 4, 5)).astype(dtype)
    if dtype in SIGNED:
        return rng.integers(-9, 9, (3, 4, 5)).astype(dtype)
    if dtype in FLOATS:
        return rng.normal(size=(3, 4, 5)).astype(dtype)
    return (rng.normal(size=(3, 4, 5)) + 1j * rng.normal(size=(3, 4, 5))).astype(dtype)


def reductions(store):
    store.comment("reductions")
    for name, dtypes in REDUCTIONS.items():
        for dtype in dtypes:
            x = reduction_inputs(dtype)
            for axis in [None, 0, 1, -1]:
                reduce(store, name, x, axis)
            if not name.startswith("arg"):
                reduce(store, name, x, (0, 2))
            reduce(store, name, x, 1, keepdims=True)
            if name in MOMENTS:
                reduce(store, name, x, 0, ddof=1.0)
                reduce(store, name, x[:1], 0, ddof=1.0)
            # The extremes: overflow, infinities, NaN first, last and in between.
            # Of complex numbers only what asks for zero or not: products of infinities are a matter of taste.
            # Squares overflow where the order of operations wants it, and means where sums are float32.
            values = special(dtype)
            if name in MOMENTS + ["mean"]:
                values = values[np.isinf(values) | ~(np.abs(values) > 1e18)]
            if dtype not in COMPLEX or name in ["any", "all", "count_nonzero"]:
                reduce(store, name, values, None)
                reduce(store, name, np.stack([values, values[::-1]]), 0)
            for shape, axis in [((0,), None), ((0, 3), 0), ((0, 3), 1), ((3, 0), 0), ((2, 0, 3), -1)]:
                reduce(store, name, np.zeros(shape, dtype), axis)
            reduce(store, name, x[0, 0, 0], None)
    for name in NAN_REDUCTIONS:
        for dtype in FLOATS:
            x = reduction_inputs(dtype)
            x[0, 1, 2] = x[1, :, 0] = np.nan
            for axis in [None, 0, 1, -1]:
                reduce(store, name, x, axis)
            reduce(store, name, np.full((2, 3), np.nan, dtype), 0)
            reduce(store, name, np.zeros((0, 3), dtype), 0)
            if name in MOMENTS:
                reduce(store, name, x, 0, ddof=1.0)
    for dtype in FLOATS + COMPLEX:
        x = reduction_inputs(dtype)[0]
        for axis in [None, 0, 1]:
            norm = lambda x: np.sqrt(np.sum(np.abs(x) ** 2, axis=axis))
            store.case("norm", [x], norm, axis="all" if axis is None else axis)


# ---------------------------------------------------------------------------------------- views, layout


def python_slices(text):
    """The index that `1:5:2,::-1,3,new` means."""

    def item(word):
        if word == "new":
            return None
        if ":" in word:
            return slice(*(int(part) if part else None for part in word.split(":")))
        return int(word)

    return tuple(item(word) for word in text.split(","))


SLICES = ["1:", ":-1", "::2", "::-1", "::-3", "3", "-1", "1:1", "5:2", "1:4,2:3", "::-1,::-1", "2,::-2", "-1,-1"]
SLICES += ["new,2:4", "1:3,new,::2", ":,1", "5:1:-2,1:", "0,0", ":0", "::7,::7", "-2::-1", "9", "0,9", ":,:,0"]


def layout(store):
    store.comment("views and layout")
    x = np.arange(24, dtype="int32").reshape(6, 4)
    cube = np.arange(24, dtype="int32").reshape(2, 3, 4)
    line = np.arange(7, dtype="int32")
    for text in SLICES:
        try:
            answer = x[python_slices(text)]
            store.case("slice", [x], lambda _: answer, slice=text)
        except IndexError:
            store.lines.append("\t".join(["slice", f"slice={text}", store.reference(x), "error"]))
    for axis in [0, 1, -1]:
        store.case("flip", [x], lambda x: np.flip(x, axis), axis=axis)
        for shift in [0, 1, -1, 3, -5, 25]:
            store.case("roll", [x], lambda x: np.roll(x, shift, axis), shift=shift, axis=axis)
    store.case("flip", [x], np.flip, axis="all")
    for axes in [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)]:
        store.case("transpose", [cube], lambda x: np.transpose(x, axes), axes=",".join(map(str, axes)))
    for shape in [(24,), (4, 6), (2, 3, 4), (1, 24, 1), (3, 8), (-1, 3), (2, -1, 2), (5, 5)]:
        text = "x".join(map(str, shape))
        store.case("reshape", [x], lambda x: np.reshape(x, shape), shape=text)
        store.case("reshape", [x.T.copy()], lambda x: np.reshape(x, shape), shape=text)
    for shape in [(2, 6, 4), (6, 4), (1, 6, 4)]:
        store.case("broadcast_to", [x], lambda x: np.broadcast_to(x, shape), shape="x".join(map(str, shape)))
    store.case("broadcast_to", [x[:1]], lambda x: np.broadcast_to(x, (3, 4)), shape="3x4")
    store.case("broadcast_to", [x], lambda x: np.broadcast_to(x, (6, 1)), shape="6x1")
    store.case("ravel", [cube], np.ravel)
    for axis in [0, 1, 2, -1]:
        store.case("expand_dims", [x], lambda x: np.expand_dims(x, axis), axis=axis)
    store.case("squeeze", [cube[:1, :, :1]], np.squeeze, axis="all")
    store.case("squeeze", [cube[:1, :, :1]], lambda x: np.squeeze(x, 0), axis=0)
    store.case("squeeze", [cube], lambda x: np.squeeze(x, 0), axis=0)
    for axis, indices in [(0, [0, 2, 2, 5]), (1, [3, 0]), (0, [-1, -6]), (1, []), (0, [5, 4, 3, 2, 1, 0])]:
        text = ",".join(map(str, indices))
        take = lambda x: np.take(x, np.array(indices, dtype="int64"), axis)
        store.case("take", [x], take, indices=text, axis=axis)
    for mode in ["constant", "edge", "reflect", "wrap"]:
        for before, after in [((1, 2), (0, 3)), ((0, 0), (0, 0)), ((5, 3), (5, 3)), ((7, 1), (0, 9))]:
            more = {"constant_values": 7} if mode == "constant" else {}
            pad = lambda x: np.pad(x, list(zip(before, after)), mode=mode, **more)
            words = {"mode": mode, "before": "{},{}".format(*before), "after": "{},{}".format(*after)}
            store.case("pad", [x], pad, **words, **({"value": 7} if more else {}))
        more = {"constant_values": 7} if mode == "constant" else {}
        pad = lambda x: np.pad(x, [(20, 17)], mode=mode, **more)
        store.case("pad", [line], pad, mode=mode, before=20, after=17, **({"value": 7} if more else {}))
    for axis in [0, -1]:
        store.case("concatenate", [x, x[::-1].copy(), x], lambda *a: np.concatenate(a, axis), axis=axis)
        store.case("stack", [x, x[::-1].copy()], lambda *a: np.stack(a, axis), axis=axis)
    store.case("stack", [x, x + 1], lambda *a: np.stack(a, 1), axis=1)
    store.case("concatenate", [x, x[:0], x[:2]], lambda *a: np.concatenate(a, 0), axis=0)
    store.case("concatenate", [x, x[:, :2]], lambda *a: np.concatenate(a, 1), axis=1)
    store.case("concatenate", [x, x[:, :2]], lambda *a: np.concatenate(a, 0), axis=0)
    store.case("stack", [x, x[:2]], lambda *a: np.stack(a, 0), axis=0)


# ------------------------------------------------------------------------------------------- products


def product_inputs(dtype, *shapes):
    """Small numbers of both signs; integers of all sizes, whose products wrap."""
    numbers = np.random.default_rng(11)
    arrays = []
    for shape in shapes:
        if dtype == "bool":
            x = numbers.random(shape) < 0.4
        elif dtype in INTEGERS:
            info = np.iinfo(dtype)
            x = numbers.integers(info.min, info.max, shape, dtype, endpoint=True)
        else:
            x = np.round(numbers.uniform(-4, 4, shape), 2)
            if dtype in COMPLEX:
                x = x + 1j * np.round(numbers.uniform(-4, 4, shape), 2)
        arrays.append(np.asarray(x).astype(dtype))
    return arrays


MATMUL = [((3, 4), (4, 5)), ((5, 3), (3, 6)), ((7, 9), (9, 11)), ((4,), (4,)), ((4,), (4, 3)), ((3, 4), (4,))]
MATMUL += [((2, 5, 6), (6, 4)), ((5, 6), (2, 6, 4)), ((2, 5, 6), (2, 6, 4)), ((3, 1, 5, 6), (2, 6, 4)), ((2, 3, 4), (4,))]
MATMUL += [((4,), (2, 4, 3)), ((0, 4), (4, 3)), ((3, 0), (0, 4)), ((5, 0), (0, 5)), ((3, 4), (4, 0)), ((0,), (0,))]
MATMUL += [((3, 4), (3, 4)), ((3, 4), (5,)), ((), (3, 4)), ((2, 3, 4), (3, 4, 5)), ((4,), (3, 4)), ((1, 5), (5, 1))]
DOT = [((3, 4), (4, 5)), ((4,), (4,)), ((), (3,)), ((2, 3), ()), ((2, 5, 3), (4, 3, 6)), ((3,), (2, 3, 4)), ((5, 3), (3, 6))]
DOT += [((2, 3), (2, 3)), ((2, 3), (3,)), ((), ()), ((3,), (4,))]
TENSORDOT = [((3, 4, 5), (4, 5, 2), 2), ((3, 4), (3, 4), 0), ((3, 4), (4, 3), 1), ((5, 3, 4), (4, 3, 6), ([1, 2], [1, 0]))]
TENSORDOT += [((3, 4, 5), (5, 4, 3), ([0, -1], [2, 0])), ((3, 4), (4, 3), ([0, 1], [1, 0])), ((3,), (4,), 0)]
TENSORDOT += [((3, 4), (5, 6), 1), ((3, 4), (4, 3), ([0], [1, 0])), ((2, 6, 5), (5, 7), 1), ((3, 4), (4, 3), ([2], [0])), ((3,), (3,), 2)]
VECDOT = [((3, 4), (3, 4), -1), ((3, 4), (4,), -1), ((3, 4), (3, 4), 0), ((2, 1, 5), (3, 5), -1), ((4,), (4,), 0), ((3, 4), (3, 5), -1)]
VECDOT += [((2, 3), (3, 3), -1), ((3, 0), (3, 0), -1)]
EINSUM = [("ij,jk->ik", (3, 4), (4, 5)), ("ij,jk", (5, 4), (4, 6)), ("ij,jk->ki", (5, 4), (4, 6)), ("ii->i", (4, 4)), ("ii", (4, 4))]
EINSUM += [("ij->ji", (3, 4)), ("ij->", (3, 4)), ("ji", (3, 4)), ("ij->j", (3, 4)), ("i,i", (5,), (5,)), ("i,j->ij", (3,), (4,))]
EINSUM += [("i,j->ji", (3,), (4,)), ("ij,ij->ij", (3, 4), (3, 4)), ("bij,bjk->bik", (2, 5, 3), (2, 3, 4)), ("bij,jk", (2, 5, 3), (3, 4))]
EINSUM += [("...ij,...jk->...ik", (2, 5, 3), (2, 3, 4)), ("...ij,jk->...ik", (2, 3, 5, 3), (3, 4)), ("i...->...", (3, 4, 2))]
EINSUM += [("i...,i...", (3, 4), (3, 4)), ("...,...", (3, 4), (4,)), ("ijk,jil->kl", (3, 4, 5), (4, 3, 6)), ("ij,jk,kl->il", (5, 4), (4, 6), (6, 5))]
EINSUM += [("ij,jk,kl,lm->im", (4, 5), (5, 6), (6, 4), (4, 5)), ("ij,kj,k->i", (4, 5), (6, 5), (6,)), ("iij,jk->ik", (4, 4, 5), (5, 6))]
EINSUM += [("ij,kl->", (3, 4), (5, 2)), ("ij,ik->ijk", (5, 4), (5, 6)), ("abc,cd,be->ade", (4, 3, 5), (5, 6), (3, 7)), ("ij,j->i", (3, 1), (4,))]
EINSUM += [("ij,jk->ik", (3, 4), (5, 6)), ("ij,jk->iz", (3, 4), (4, 5)), ("ij->ii", (3, 3)), ("ii", (3, 4)), ("ij", (3,)), ("ij,jk", (3, 4))]
EINSUM += [("i1->i", (3, 4)), ("...i->i", (2, 3)), (" i j , jk -> ik ".replace(" ", ""), (5, 4), (4, 6)), ("ab,ba->", (5, 4), (4, 5)), ("Ba,aB", (5, 4), (4, 5))]
EINSUM += [("a,b,c,d,e,f,g->gfedcba", (2,), (1,), (2,), (2,), (1,), (2,), (2,)), ("ab,bc,cd,de,ef,fg,ga->", *[(3, 3)] * 7)]


def products(store):
    store.comment("products")
    dot = lambda axes: lambda x, y: np.tensordot(x, y, axes)
    for dtype in ["bool", "int8", "uint16", "int32", "uint64", "float32", "float64", "complex64", "complex128"]:
        for shapes in MATMUL:
            store.case("matmul", product_inputs(dtype, *shapes), np.matmul)
        for shapes in DOT:
            store.case("dot", product_inputs(dtype, *shapes), np.dot)
        for *shapes, axes in TENSORDOT:
            if isinstance(axes, int):
                words = {"count": axes}
            else:
                words = {name: ",".join(map(str, list)) for name, list in zip(["left", "right"], axes)}
            try:
                store.case("tensordot", product_inputs(dtype, *shapes), dot(axes), **words)
            except IndexError:
                references = " ".join(store.reference(x) for x in product_inputs(dtype, *shapes))
                parameters = " ".join(f"{name}={value}" for name, value in words.items())
                store.lines.append("\t".join(["tensordot", parameters, references, "error"]))
        for *shapes, axis in VECDOT:
            store.case("vecdot", product_inputs(dtype, *shapes), lambda x, y: np.vecdot(x, y, axis=axis), axis=axis)
        for subscripts, *shapes in EINSUM:
            store.case("einsum", product_inputs(dtype, *shapes), lambda *x: np.einsum(subscripts, *x), subscripts=subscripts)


def main():
    store = Store()
    elementwise(store)
    broadcasting(store)
    reductions(store)
    layout(store)
    products(store)
    store.write()
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(store.lines)} cases and comments, {size} bytes")


if __name__ == "__main__":
    main()
