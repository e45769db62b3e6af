"""The jobs, written with each library as its users would write them.

A library is a class; a job is a method, which takes the job's arrays and gives the result in memory. What a library
has no way to say, it has no method for.
"""

import os

import numpy as np

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class NumPy:
    """Every step makes a whole array; one thread, but for the matrix product."""

    def __init__(self, shape, seed):
        self.shape = shape
        self.rng = np.random.default_rng(seed)

    def array(self, values, chunks):
        return values

    def affine_random(self):
        return 2 * self.rng.random(self.shape) + 1

    def mean0_random(self):
        return self.rng.random(self.shape).mean(0)

    def mean0_normal(self):
        return self.rng.standard_normal(self.shape).mean(0)

    def affine(self, x):
        return 2 * x + 1

    def sum(self, x):
        return x.sum()

    def mean0(self, x):
        return x.mean(0)

    def std(self, x):
        return x.std()

    def trig(self, x):
        return (np.sin(x) ** 2 + np.cos(x) ** 2).sum()

    def residual(self, x):
        return ((x - x.mean(0)) ** 2).sum()

    def transpose_sum(self, x):
        return (x + x.T).sum()

    def rechunk_sum(self, x):
        return x.sum(1)

    def matmul(self, a, b):
        return a @ b

    def affine_mean0(self, x):
        return (2 * x + 1).mean(0)

    def overhead(self):
        return ((np.ones((10, 10)) + 1) * 2).sum()


class NumExpr:
    """One expression is one pass, on all threads; it has no random numbers and no matrix product."""

    def __init__(self, shape, seed):
        import numexpr

        numexpr.set_num_threads(THREADS)
        self.evaluate = numexpr.evaluate

    def array(self, values, chunks):
        return values

    def run(self, expression, **arrays):
        return self.evaluate(expression, local_dict=arrays, global_dict={})

    def affine(self, x):
        return self.run("2 * x + 1", x=x)

    def sum(self, x):
        return self.run("sum(x)", x=x)

    def mean0(self, x):
        return self.run("sum(x, axis=0)", x=x) / len(x)

    def std(self, x):
        mean = self.sum(x) / x.size
        return np.sqrt(self.run("sum((x - mean) ** 2)", x=x, mean=mean) / x.size)

    def trig(self, x):
        return self.run("sum(sin(x) ** 2 + cos(x) ** 2)", x=x)

    def residual(self, x):
        return self.run("sum((x - mean) ** 2)", x=x, mean=self.mean0(x))

    def transpose_sum(self, x):
        return self.run("sum(x + y)", x=x, y=x.T)

    def rechunk_sum(self, x):
        return self.run("sum(x, axis=1)", x=x)

    def affine_mean0(self, x):
        return self.run("sum(2 * x + 1, axis=0)", x=x) / len(x)

    def overhead(self):
        return self.run("sum((x + 1) * 2)", x=np.ones((10, 10)))


class Dask:
    """Lazy and chunked; its threads, one for each core."""

    module = "dask.array"

    def __init__(self, shape, seed):
        import importlib

        import dask

        dask.config.set(scheduler="threads", num_workers=THREADS)
        self.da = importlib.import_module(self.module)
        self.shape = shape
        self.rng = self.da.random.default_rng(seed)

    def array(self, values, chunks):
        return self.da.from_array(values, chunks=chunks)

    def uniform(self):
        return self.rng.random(self.shape, chunks=self.chunks)

    def affine_random(self):
        return (2 * self.uniform() + 1).compute()

    def mean0_random(self):
        return self.uniform().mean(0).compute()

    def mean0_normal(self):
        return self.rng.standard_normal(self.shape, chunks=self.chunks).mean(0).compute()

    def affine(self, x):
        return (2 * x + 1).compute()

    def sum(self, x):
        return x.sum().compute()

    def mean0(self, x):
        return x.mean(0).compute()

    def std(self, x):
        return x.std().compute()

    def trig(self, x):
        return (self.da.sin(x) ** 2 + self.da.cos(x) ** 2).sum().compute()

    def residual(self, x):
        return ((x - x.mean(0)) ** 2).sum().compute()

    def transpose_sum(self, x):
        return (x + x.T).sum().compute()

    def rechunk_sum(self, x):
        return x.rechunk((max(1, x.shape[0] // 100), x.shape[1])).sum(1).compute()

    def matmul(self, a, b):
        return (a @ b).compute()

    def affine_mean0(self, x):
        return (2 * x + 1).mean(0).compute()

    def overhead(self):
        return ((self.da.ones((10, 10), chunks=(10, 10)) + 1) * 2).sum().compute()


class DaskArray(Dask):
    """The separate package of that name: an engine with an optimizer of expressions, on dask's scheduler."""

    module = "dask_array"


class Jax:
    """Compiled for the processor by XLA: each job is one function under `jit`, compiled in the run that warms up."""

    def __init__(self, shape, seed):
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        self.jax, self.jnp, self.shape = jax, jax.numpy, shape
        self.key = jax.random.key(seed)
        self.compiled = {}

    def array(self, values, chunks):
        return self.jax.device_put(values)

    def run(self, name, function, *arguments):
        if name not in self.compiled:
            self.compiled[name] = self.jax.jit(function)
        return self.compiled[name](*arguments).block_until_ready()

    def uniform(self, key):
        return self.jax.random.uniform(key, self.shape, dtype=self.jnp.float64)

    def next_key(self):
        self.key, key = self.jax.random.split(self.key)
        return key

    def affine_random(self):
        return self.run("affine_random", lambda key: 2 * self.uniform(key) + 1, self.next_key())

    def mean0_random(self):
        return self.run("mean0_random", lambda key: self.uniform(key).mean(0), self.next_key())

    def mean0_normal(self):
        def normal(key):
            return self.jax.random.normal(key, self.shape, dtype=self.jnp.float64).mean(0)

        return self.run("mean0_normal", normal, self.next_key())

    def affine(self, x):
        return self.run("affine", lambda x: 2 * x + 1, x)

    def sum(self, x):
        return self.run("sum", lambda x: x.sum(), x)

    def mean0(self, x):
        return self.run("mean0", lambda x: x.mean(0), x)

    def std(self, x):
        return self.run("std", lambda x: x.std(), x)

    def trig(self, x):
        return self.run("trig", lambda x: (self.jnp.sin(x) ** 2 + self.jnp.cos(x) ** 2).sum(), x)

    def residual(self, x):
        return self.run("residual", lambda x: ((x - x.mean(0)) ** 2).sum(), x)

    def transpose_sum(self, x):
        return self.run("transpose_sum", lambda x: (x + x.T).sum(), x)

    def rechunk_sum(self, x):
        return self.run("rechunk_sum", lambda x: x.sum(1), x)

    def matmul(self, a, b):
        return self.run("matmul", lambda a, b: a @ b, a, b)

    def affine_mean0(self, x):
        return self.run("affine_mean0", lambda x: (2 * x + 1).mean(0), x)

    def overhead(self):
        # The ones come from outside, or the compiler would compute the sum.
        return self.run("overhead", lambda ones: ((ones + 1) * 2).sum(), self.jnp.ones((10, 10)))


def trivial(i, mask=(1 << 64) - 1):
    """Some work that is the same everywhere: the last step of SplitMix64."""
    bits = i * 0x9E3779B97F4A7C15 & mask
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & mask
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & mask
    return float(bits ^ bits >> 31)


class Joblib:
    """Processes (loky), batches of automatic size; it has no futures."""

    def __init__(self, shape, seed):
        import joblib

        self.parallel, self.delayed = joblib.Parallel(n_jobs=THREADS), joblib.delayed

    def task_map(self):
        return self.parallel(self.delayed(trivial)(i) for i in range(self.calls))


class Multiprocessing:
    """Processes; `map` in chunks of its own choice."""

    def __init__(self, shape, seed):
        import multiprocessing

        self.pool = multiprocessing.Pool(THREADS)

    def task_map(self):
        return self.pool.map(trivial, range(self.calls))

    def task_submit(self):
        results = [self.pool.apply_async(trivial, (i,)) for i in range(self.calls)]
        return [result.get() for result in results]


class Futures:
    """concurrent.futures: threads, whose calls cost less than processes' do; one of them runs at a time."""

    def __init__(self, shape, seed):
        from concurrent.futures import ThreadPoolExecutor

        self.executor = ThreadPoolExecutor(THREADS)

    def task_map(self):
        return list(self.executor.map(trivial, range(self.calls)))

    def task_submit(self):
        futures = [self.executor.submit(trivial, i) for i in range(self.calls)]
        return [future.result() for future in futures]


LIBRARIES = {
    "dask": Dask, "dask-array": DaskArray, "numpy": NumPy, "numexpr": NumExpr, "jax": Jax,
    "joblib": Joblib, "multiprocessing": Multiprocessing, "concurrent.futures": Futures,
}
