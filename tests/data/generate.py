"""Writes the small Zarr and NumPy files of the tests, with the libraries that others use.

The files are committed, so that tests need no Python. To write them again:

    python3 -m venv v3 && v3/bin/pip install zarr==3.1.6 numpy==2.4.6
    v3/bin/python tests/data/generate.py v3
    v3/bin/python tests/data/generate.py npz
    v3/bin/pip install h5py==3.16.0 netCDF4==1.7.5.1.post1
    v3/bin/python tests/data/generate.py first_years
    v3/bin/python tests/data/generate.py netcdf
    python3 -m venv v2 && v2/bin/pip install zarr==2.18.7 numcodecs==0.15.1 numpy==2.2.6
    v2/bin/python tests/data/generate.py v2

Every array holds `values(dtype, shape)`, which the tests compute again.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import zarr

HERE = Path(__file__).parent / "zarr"
SHAPE = (7, 10)
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()


def values(dtype, shape):
    """Element n of C order is n * 37 % 101, minus 50 if the type has a sign; complex ones add 0.25j * n."""
    n = np.arange(int(np.prod(shape)), dtype=np.int64)
    x = n * 37 % 101
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        x = x % 2 == 1
    elif dtype.kind in "ifc":
        x = x - 50
    x = x.astype(dtype)
    if dtype.kind == "f":
        x = x / dtype.type(8)
    if dtype.kind == "c":
        x = x + (n * 0.25j).astype(dtype)
    return x.astype(dtype).reshape(shape)


def folder(name):
    path = HERE / name
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path)


def v3():
    from zarr.codecs import (
        BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec,
    )

    def make(name, dtype="float64", shape=SHAPE, chunks=(4, 6), data=True, **options):
        x = zarr.create_array(folder("v3/" + name), shape=shape, chunks=chunks, dtype=dtype, **options)
        if data:
            x[...] = values(dtype, shape)
        return x

    for dtype in DTYPES:
        make(f"dtype_{dtype}", dtype, compressors=None)
    make("zstd", compressors=ZstdCodec(level=3))
    make("zstd_checksum", compressors=ZstdCodec(level=1, checksum=True))
    make("gzip", compressors=GzipCodec(level=5))
    for cname in ["lz4", "lz4hc", "blosclz", "zstd", "zlib"]:
        make(f"blosc_{cname}", compressors=BloscCodec(cname=cname, shuffle="shuffle"))
    make("blosc_bitshuffle", "int32", compressors=BloscCodec(cname="lz4", shuffle="bitshuffle"))
    make("crc32c", compressors=[ZstdCodec(level=1), Crc32cCodec()])
    make("big_endian", serializer=BytesCodec(endian="big"), compressors=None)
    make("big_endian_complex", "complex64", serializer=BytesCodec(endian="big"), compressors=ZstdCodec())
    make("transpose", filters=TransposeCodec(order=(1, 0)), compressors=None)
    make("transpose_zstd", shape=(5, 6, 7), chunks=(2, 3, 4), filters=TransposeCodec(order=(2, 0, 1)))
    make("sharded", shape=(12, 20), chunks=(3, 5), shards=(6, 10))
    make("sharded_uncompressed", shape=(12, 20), chunks=(3, 5), shards=(6, 10), compressors=None)
    make("sharded_edge", "int16", shape=(10, 17), chunks=(3, 5), shards=(6, 10))
    make("sharded_transpose", shape=(12, 20), chunks=(3, 5), shards=(6, 10), filters=TransposeCodec(order=(1, 0)))
    x = make("sharded_missing", shape=(12, 20), chunks=(3, 5), shards=(6, 10), fill_value=2.5, data=False)
    x[0:3, 5:10] = values("float64", (12, 20))[0:3, 5:10]
    x = make("missing", "int32", fill_value=-7, data=False)
    x[0:4, 0:6] = values("int32", SHAPE)[0:4, 0:6]
    make("fill_nan", fill_value=float("nan"), data=False)
    make("fill_infinity", "float32", fill_value=float("-inf"), data=False)
    make("fill_true", "bool", fill_value=True, data=False)
    make("fill_complex", "complex128", fill_value=1 - 2j, data=False)
    make("fill_uint64", "uint64", fill_value=2**64 - 1, data=False)
    make("scalar", shape=(), chunks=())
    make("one_axis", "uint8", shape=(11,), chunks=(4,))
    make("empty", shape=(0, 5), chunks=(1, 2))
    make("dotted", chunk_key_encoding={"name": "default", "separator": "."})
    make("v2_keys", chunk_key_encoding={"name": "v2", "separator": "/"})
    make("five_axes", "int64", shape=(2, 3, 2, 3, 4), chunks=(1, 2, 2, 2, 3))
    make("named", "float32", attributes={"units": "K", "valid": [0, 400.5], "nested": {"a": None}},
         dimension_names=["time", None])
    group = zarr.create_group(folder("v3/group"), attributes={"title": "a group"})
    inner = group.create_group("inner")
    inner.create_array("x", shape=SHAPE, chunks=(4, 6), dtype="float64")[...] = values("float64", SHAPE)
    group.create_array("y", shape=(4,), chunks=(2,), dtype="int8")[...] = values("int8", (4,))
    zarr.consolidate_metadata(group.store)


def v2():
    from numcodecs import Blosc, GZip, LZ4, Zlib, Zstd, Delta

    assert zarr.__version__.startswith("2.")

    def make(name, dtype="<f8", shape=SHAPE, chunks=(4, 6), data=True, **options):
        x = zarr.open(folder("v2/" + name), mode="w", shape=shape, chunks=chunks, dtype=dtype, **options)
        if data:
            x[...] = values(np.dtype(dtype).newbyteorder("="), shape)
        return x

    for dtype in DTYPES:
        make(f"dtype_{dtype}", np.dtype(dtype).str, compressor=None)
    for dtype in ["int16", "uint32", "float32", "float64", "complex128"]:
        make(f"big_{dtype}", np.dtype(dtype).newbyteorder(">").str, compressor=Zstd(1))
    make("default")
    make("blosc_bitshuffle", compressor=Blosc("zstd", 3, Blosc.BITSHUFFLE))
    make("blosc_noshuffle", compressor=Blosc("lz4", 5, Blosc.NOSHUFFLE))
    make("zstd", compressor=Zstd(5))
    make("gzip", compressor=GZip(5))
    make("zlib", compressor=Zlib(5))
    make("fortran", compressor=None, order="F")
    make("fortran_zstd", ">i4", shape=(5, 6, 7), chunks=(2, 3, 4), compressor=Zstd(1), order="F")
    make("slashes", compressor=Zstd(1), dimension_separator="/")
    x = make("missing", "<i4", fill_value=-7, data=False)
    x[0:4, 0:6] = values("int32", SHAPE)[0:4, 0:6]
    make("fill_none", fill_value=None, data=False)
    make("fill_nan", fill_value=np.nan, data=False)
    make("scalar", shape=(), chunks=())
    make("empty", shape=(0, 5), chunks=(1, 2))
    x = make("named", "<f4")
    x.attrs["units"] = "K"
    x.attrs["_ARRAY_DIMENSIONS"] = ["time", "place"]
    group = zarr.open_group(folder("v2/group"), mode="w")
    group.attrs["title"] = "a group"
    group.create_group("inner").create_dataset("x", shape=SHAPE, chunks=(4, 6), dtype="<f8")[...] = values("f8", SHAPE)
    # What cannot be read, and must say so.
    make("filtered_delta", "<i4", filters=[Delta("<i4")], data=False)[...] = values("int32", SHAPE)
    make("lz4", compressor=LZ4())
    zarr.open(folder("v2/structured"), mode="w", shape=(3,), chunks=(3,), dtype=[("a", "<i4"), ("b", "<f8")])[...] = 0
    zarr.open(folder("v2/text"), mode="w", shape=(3,), chunks=(3,), dtype="<U4")[...] = "text"
    zarr.open(folder("v2/half"), mode="w", shape=(3,), chunks=(3,), dtype="<f2")[...] = 1


def npz():
    arrays = {f"dtype_{dtype}": values(dtype, SHAPE) for dtype in DTYPES}
    arrays["fortran"] = np.asfortranarray(values("float64", (5, 6, 7)))
    arrays["big"] = values("int32", SHAPE).astype(">i4")
    arrays["scalar"] = values("float64", ())
    arrays["empty"] = values("float64", (0, 3))
    arrays["nested/name"] = values("float64", SHAPE)
    np.savez(HERE.parent / "stored.npz", **arrays)
    np.savez_compressed(HERE.parent / "compressed.npz", **arrays)


def first_years():
    """The first 24 years of the air temperatures, in the forms in which the whole of them is used elsewhere."""
    import netCDF4
    from zarr.codecs import BytesCodec, ZstdCodec

    air = HERE.parent / "air_temperature"
    out = air / "first_years"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    x = np.load(air / "air_temperature.npy")[:24]

    def make(name, **options):
        zarr.create_array(str(out / name), shape=x.shape, **options)[...] = x

    attributes = {"units": "K"}
    make("air_temperature_v2.zarr", chunks=(7, 37, 20), dtype="<f4", zarr_format=2, attributes=attributes)
    make("air_temperature_v2_blosc_big_endian.zarr", chunks=(10, 16, 49), dtype=">f4", zarr_format=2,
         compressors=numcodecs_blosc(), fill_value=np.nan)
    make("air_temperature_v3.zarr", chunks=(6, 20, 49), dtype="<f4", compressors=ZstdCodec(), attributes=attributes)
    make("air_temperature_v3_sharded.zarr", chunks=(3, 37, 49), shards=(12, 37, 49), dtype="<f4",
         serializer=BytesCodec(), compressors=ZstdCodec())

    with netCDF4.Dataset(out / "air_temperature.nc", "w") as file:
        file.Conventions = "CF-1.5"
        for name, values in [("time", np.arange(24.0)), ("latitude", np.load(air / "latitude.npy")),
                             ("longitude", np.load(air / "longitude.npy"))]:
            file.createDimension(name, len(values))
            file.createVariable(name, values.dtype, [name])[:] = values
        variable = file.createVariable("air_temperature", "f4", ["time", "latitude", "longitude"],
                                       zlib=True, shuffle=True, chunksizes=(5, 37, 20))
        variable.units = "K"
        variable[:] = x

    y = x.astype("f8")
    np.savez_compressed(
        out / "air_temperature_expected.npz", mean_time=y.mean(0), std_time=y.std(0), min_time=x.min(0),
        max_time=x.max(0), mean_all=y.mean(), affine=2 * x[:2] + 1, annual_mean_of_area=y.mean((1, 2)),
    )


def netcdf():
    import h5py
    import netCDF4

    out = HERE.parent / "netcdf"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    real = [dtype for dtype in DTYPES if np.dtype(dtype).kind in "iuf"]
    with netCDF4.Dataset(out / "netcdf4.nc", "w") as file:
        file.set_auto_maskandscale(False)
        file.title = "written by netCDF4"
        file.numbers = np.array([1, 2, 3], "i2")
        file.createDimension("row", 7)
        file.createDimension("column", 10)
        file.createVariable("row", "f8", ["row"])[:] = np.arange(7) * 0.5
        for dtype in real:
            for name, options in [
                ("plain", {"contiguous": True}),
                ("chunked", {"chunksizes": (4, 6)}),
                ("zlib", {"chunksizes": (4, 6), "zlib": True, "shuffle": True}),
                ("checked", {"chunksizes": (3, 10), "zlib": True, "shuffle": False, "fletcher32": True}),
                ("big", {"chunksizes": (4, 6), "zlib": True, "shuffle": True, "endian": "big"}),
                ("big_plain", {"contiguous": True, "endian": "big"}),
            ]:
                v = file.createVariable(f"{name}_{dtype}", dtype, ["row", "column"], **options)
                v[:] = values(dtype, SHAPE)

        def make(name, dtype, data, **attributes):
            fill = attributes.pop("fill", None)
            v = file.createVariable(name, dtype, ["row", "column"], fill_value=fill, zlib=True)
            v.set_auto_maskandscale(False)
            v[:] = data
            v.setncatts(attributes)

        packed = values("int16", SHAPE)
        make("packed", "i2", packed, fill=np.int16(-13), scale_factor=np.float32(0.25), units="K")
        make("packed_offset", "i2", packed, fill=np.int16(-13), scale_factor=0.01, add_offset=273.15,
             missing_value=np.int16(24))
        make("masked", "i4", values("int32", SHAPE), missing_value=np.array([0, 50], "i4"))
        make("floats", "f4", values("float32", SHAPE), fill=np.float32(1e20), missing_value=np.float32(6.25))
        make("doubles", "f8", values("float64", SHAPE), scale_factor=2.0)
        make("unsigned", "i1", values("uint8", SHAPE).view("i1") * np.int8(2), fill=np.int8(-56), _Unsigned="true",
             scale_factor=np.float32(2))
        make("wrong", "i2", packed, scale_factor="two")
        file.createVariable("text", "S1", ["row"])[:] = b"a"
        file.createVariable("scalar", "f8", [])[...] = 2.5
        file.createDimension("time", None)
        v = file.createVariable("record", "f4", ["time", "column"], chunksizes=(2, 5), fill_value=-1)
        v[4:6, :3] = 7
        file.createVariable("unwritten", "i4", ["row", "column"], chunksizes=(2, 5), fill_value=9)
        file.createVariable("unwritten_plain", "i4", ["row"], contiguous=True, fill_value=9)
        group = file.createGroup("model").createGroup("run")
        group.createDimension("level", 3)
        v = group.createVariable("t", "f8", ["level", "column"])
        v[:] = values("float64", (3, 10))
        v.long_name = "tempé"

    with h5py.File(out / "h5py.h5", "w", track_order=True) as file:
        file.attrs["title"] = "written by h5py"
        for dtype in ["bool", "complex64", "complex128"]:
            x = values(dtype, SHAPE)
            file.create_dataset(f"plain_{dtype}", data=x)
            file.create_dataset(f"gzip_{dtype}", data=x, chunks=(4, 6), compression="gzip", shuffle=True)
        x = values("float64", SHAPE)
        file.create_dataset("big_complex", data=values("complex64", SHAPE).astype(">c8"), chunks=(4, 6))
        file.create_dataset("all_filters", data=x, chunks=(4, 6), compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("scale_offset", data=values("int32", SHAPE), chunks=(4, 6), scaleoffset=0)
        file.create_dataset("lzf", data=x, chunks=(4, 6), compression="lzf")
        file.create_dataset("half", data=x.astype("f2"))
        file.create_dataset("strings", data=["a", "bc"])
        file.create_dataset("structured", data=np.zeros(3, [("a", "i4"), ("b", "f8")]))
        file.create_dataset("nothing", data=h5py.Empty("f4"))
        file.create_dataset("no_elements", shape=(0, 5), dtype="f4", maxshape=(None, 5), chunks=(2, 5))
        file.create_dataset("five/axes", data=values("int64", (2, 3, 2, 3, 4)), chunks=(1, 2, 2, 2, 3))
        labelled = file.create_dataset("labelled", data=x)
        labelled.dims[0].label = "row"
        labelled.dims[1].label = "column"
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((7, 10))
        h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F64LE, space, compact).write(h5py.h5s.ALL, h5py.h5s.ALL, x)
        # One chunk that went through no filter at all, and one that went through the first only.
        mixed = file.create_dataset("mixed", shape=(4, 6), chunks=(2, 6), dtype="f8", compression="gzip", shuffle=True)
        y = values("float64", (4, 6))
        mixed.id.write_direct_chunk((0, 0), y[:2].tobytes(), filter_mask=3)
        shuffled = np.frombuffer(y[2:].tobytes(), "u1").reshape(12, 8).T.tobytes()
        mixed.id.write_direct_chunk((2, 0), shuffled, filter_mask=2)
        file["loop"] = file["/"]
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["five"].attrs["table"] = np.zeros(3, [("a", "i4")])
        file["labelled"].attrs["nan"] = np.array([np.nan, np.inf, 1.5])
        file["labelled"].attrs["empty"] = h5py.Empty("f4")
    with netCDF4.Dataset(out / "classic.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 3)
        file.createVariable("x", "f4", ["x"])[:] = 1


def numcodecs_blosc():
    from numcodecs import Blosc

    return Blosc("lz4", 5, Blosc.SHUFFLE)


{"v3": v3, "v2": v2, "npz": npz, "first_years": first_years, "netcdf": netcdf}[sys.argv[1]]()
