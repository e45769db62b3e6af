"""Writes the seeds from which fuzzing starts, from the files of the tests. What fuzzing found is kept beside them."""

import struct
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE.parent / "tests/data"


def seed(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(content)


def npy(header, data, version=1):
    header = header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


for name, header, data in [
    ("f8", "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }\n", bytes(48)),
    ("fortran", "{'descr': '>i2', 'fortran_order': True, 'shape': (3, 2), }\n", bytes(12)),
    ("scalar", "{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", b"\x07"),
    ("complex", '{"descr": "<c16", "fortran_order": False, "shape": (1,)}', bytes(16)),
    ("huge", "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999), }\n", b""),
]:
    seed("npy", name, npy(header, data))
    seed("npy", name + "-2", npy(header, data, 2))

for kind, flags, offset, shape in [(0, 0, 0, [4]), (9, 1, 3, [2, 3]), (12, 3, 0, [2, 2]), (5, 2, 255, [1 << 40, 1 << 40])]:
    lengths = b"".join(struct.pack("<Q", length) for length in shape)
    seed("raw", f"{kind}-{flags}", bytes([kind, flags, offset, len(shape)]) + lengths + bytes(range(67)))

for version, name in [(b"3", "zarr.json"), (b"2", ".zarray")]:
    for path in sorted((DATA / "zarr" / f"v{version.decode()}").glob(f"*/{name}")):
        chunk = next((c for c in [path.parent / "c/0/0", path.parent / "0.0"] if c.is_file()), None)
        content = version + path.read_bytes()
        if chunk is not None:
            content += b"\0" + chunk.read_bytes()
        seed("zarr_metadata", f"v{version.decode()}-{path.parent.name}", content)

for codec, name in enumerate(["zstd", "gzip", "blosc_lz4", "crc32c", "sharded", "zstd_checksum"]):
    for key in ["c/0/0"]:
        seed("zarr_chunk", name, bytes([codec]) + (DATA / "zarr/v3" / name / key).read_bytes())
