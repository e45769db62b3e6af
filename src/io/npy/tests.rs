use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array, ArrayD, IxDyn, ShapeBuilder, SliceInfoElem};
use num_complex::Complex;

use super::header::{self, Header};
use super::read::{NpyFile, NpySource};
use super::write::NpySink;
use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::{Sink, Source};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/air_temperature")
        .join(name)
}

fn open<T: Element>(path: impl AsRef<Path>) -> NpySource<T> {
    let file = NpyFile::open(path).unwrap();
    let chunks = Chunks::whole(&file.header().shape);
    NpySource::new(file, chunks).unwrap()
}

fn read<T: Element>(source: &NpySource<T>, region: &Region) -> ArrayD<T> {
    let mut out = ArrayD::default(IxDyn(region.shape()));
    source.read(region, out.view_mut()).unwrap();
    out
}

fn read_all<T: Element>(path: impl AsRef<Path>) -> ArrayD<T> {
    let source = open(path);
    let whole = Region::whole(source.shape());
    read(&source, &whole)
}

/// The part of an array that a region covers.
fn part<T: Element>(array: &ArrayD<T>, region: &Region) -> ArrayD<T> {
    let slices: Vec<SliceInfoElem> = (0..region.ndim())
        .map(|axis| SliceInfoElem::from(region.range(axis)))
        .collect();
    array.slice(slices.as_slice()).to_owned()
}

fn refusal(path: &Path) -> String {
    NpyFile::open(path).unwrap_err().to_string()
}

/// A file of a header's text and no elements.
fn version_1(text: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn real_files_agree_with_each_other() {
    let x = read_all::<f32>(data("air_temperature.npy"));
    assert_eq!(x.shape(), [240, 37, 49]);
    let fortran = open::<f32>(data("air_temperature_fortran.npy"));
    assert!(
        NpyFile::open(data("air_temperature_fortran.npy"))
            .unwrap()
            .header()
            .fortran
    );
    for region in [
        Region::whole(&[24, 37, 49]),
        Region::new([3, 0, 0], [1, 37, 49]),
        Region::new([0, 5, 48], [24, 2, 1]),
        Region::new([23, 36, 7], [1, 1, 11]),
        Region::new([2, 0, 3], [4, 0, 5]),
    ] {
        assert_eq!(read(&fortran, &region), part(&x, &region), "{region}");
    }
    let latitude = read_all::<f32>(data("latitude.npy"));
    assert_eq!(
        (latitude.len(), read_all::<f32>(data("longitude.npy")).len()),
        (37, 49)
    );

    let first_years = Region::new([0, 0, 0], [2, 37, 49]);
    let affine = part(&x, &first_years).mapv(|x| 2.0 * x + 1.0);
    assert_eq!(affine, read_all::<f32>(data("expected/affine.npy")));
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
    let expected = read_all::<f64>(data("expected/mean_all.npy"));
    assert_eq!(expected.ndim(), 0);
    approx::assert_relative_eq!(mean, expected[IxDyn(&[])], max_relative = 1e-12);
}

#[test]
fn headers_are_numpys() {
    for name in [
        "air_temperature.npy",
        "latitude.npy",
        "expected/mean_all.npy",
        "expected/mean_time.npy",
    ] {
        let bytes = fs::read(data(name)).unwrap();
        let (start, len) = header::text_range(&bytes[..header::PRELUDE]).unwrap();
        let parsed = Header::parse(&bytes[start..start + len], start).unwrap();
        assert_eq!(parsed.data_offset % 64, 0);
        if cfg!(target_endian = "little") {
            assert_eq!(
                bytes[..start + len],
                header::write(parsed.dtype, &parsed.shape),
                "{name}"
            );
        }
    }
}

#[test]
fn headers_of_every_type_and_version_are_read() {
    for &dtype in DType::ALL {
        for shape in [
            &[][..],
            &[3],
            &[0, 2],
            &[usize::MAX >> 8, 1, 0, 7],
            &[1; 40],
        ] {
            let bytes = header::write(dtype, shape);
            assert_eq!(bytes.len() % 64, 0);
            let (start, len) = header::text_range(&bytes[..header::PRELUDE]).unwrap();
            assert_eq!(start + len, bytes.len());
            let parsed = Header::parse(&bytes[start..], start).unwrap();
            assert_eq!(
                (parsed.dtype, parsed.swapped, parsed.fortran),
                (dtype, false, false)
            );
            assert_eq!(parsed.shape, shape);
        }
    }
    let text = b"{\"shape\":(2L,3 , ) ,'fortran_order' :True,'descr':'>i4'}";
    let parsed = Header::parse(text, 12).unwrap();
    assert_eq!(
        (parsed.dtype, parsed.swapped, parsed.fortran),
        (DType::I32, cfg!(target_endian = "little"), true)
    );
    assert_eq!(parsed.shape, [2, 3]);
    for version in [2, 3] {
        let prelude = [0x93, b'N', b'U', b'M', b'P', b'Y', version, 0, 54, 1, 0, 0];
        assert_eq!(header::text_range(&prelude).unwrap(), (12, 310));
    }
    assert!(
        !Header::parse(b"{'descr': '=f8', 'fortran_order': False, 'shape': ()}", 10)
            .unwrap()
            .swapped
    );
}

#[test]
fn hostile_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.npy");
    let refused = |bytes: &[u8], words: &str, dtype: bool| {
        fs::write(&path, bytes).unwrap();
        let error = NpyFile::open(&path).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(words) && text.contains("bad.npy"),
            "{text:?} lacks {words:?}"
        );
        assert_eq!((error.is_dtype(), error.is_io()), (dtype, !dtype), "{text}");
    };
    refused(b"", "magic number", false);
    refused(b"\x93NUMPZ\x01\x00\x10\x00", "magic number", false);
    refused(b"\x93NUMPY", "ends within", false);
    refused(b"\x93NUMPY\x01\x00\x10", "ends within", false);
    refused(
        b"\x93NUMPY\x04\x00\x10\x00\x00\x00",
        "version is 4.0",
        false,
    );
    refused(b"\x93NUMPY\x01\x00\x10\x00{}", "claims 16 bytes", false);
    refused(
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
        "more than 65535 are refused",
        false,
    );

    let text = |descr: &str, order: &str, shape: &str| {
        version_1(&format!(
            "{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
        ))
    };
    for (descr, words) in [
        ("'<f2'", "'<f2'"),
        ("'|O'", "'|O'"),
        ("'<U5'", "'<U5'"),
        ("'f8'", "'f8'"),
        ("''", "''"),
        ("'<M8[ns]'", "'<M8[ns]'"),
        ("[('a', '<f4'), ('b', '|u1')]", "type is a structure"),
    ] {
        refused(&text(descr, "False", "(1,)"), words, true);
    }
    for (order, shape, words) in [
        ("False", "(3)", "','"),
        ("False", "[3]", "'[' where '(' belongs"),
        ("False", "(-3,)", "the length of an axis"),
        ("False", "(3,,)", "the length of an axis"),
        ("False", "(3.0,)", "'.' where ',' belongs"),
        (
            "False",
            "(99999999999999999999999,)",
            "99999999999999999999999 elements",
        ),
        (
            "False",
            "(4294967296, 4294967296)",
            "more bytes than can be counted",
        ),
        (
            "False",
            "(0, 4294967296, 4294967296)",
            "more bytes than can be counted",
        ),
        ("False", "(1000000, 1000000)", "truncated"),
        ("0", "(3,)", "True or False"),
        ("Falsehood", "(3,)", "'h' where '}' belongs"),
    ] {
        refused(&text("'<f8'", order, shape), words, false);
    }
    for (text, words) in [
        ("", "its end where '{'"),
        ("{'descr': '<f8'", "its end where '}'"),
        ("{'descr': '<f8", "string without an end"),
        (
            "{'descr': '<f8', 'fortran_order': False}",
            "lacks the key \"shape\"",
        ),
        ("{'descr': '<f8', 'descr': '<f8'}", "twice"),
        ("{'color': 1}", "unknown key \"color\""),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': ()} ()",
            "'(' where nothing belongs",
        ),
    ] {
        refused(&version_1(text), words, false);
    }
    assert!(refusal(folder.path()).contains("directory"));
    assert!(refusal(&folder.path().join("absent.npy")).contains("absent.npy"));
}

#[test]
fn truncated_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.npy");
    let mut bytes = fs::read(data("latitude.npy")).unwrap();
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    let message = refusal(&path);
    assert!(
        message.contains("truncated") && message.contains("148 bytes, and 147"),
        "{message}"
    );

    // What happens to the file after it was opened is found when it is read.
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let source = open::<f32>(&path);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(200)
        .unwrap();
    let mut out = ArrayD::<f32>::zeros(IxDyn(&[37]));
    let error = source
        .read(&Region::whole(&[37]), out.view_mut())
        .unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[test]
fn wrong_types_and_grids_are_refused() {
    let open = || NpyFile::open(data("latitude.npy")).unwrap();
    let error = NpySource::<f64>::new(open(), Chunks::whole(&[37]))
        .err()
        .unwrap();
    assert!(
        error.is_dtype() && error.to_string().contains("latitude.npy holds float32"),
        "{error}"
    );
    let error = NpySource::<f32>::new(open(), Chunks::whole(&[36]))
        .err()
        .unwrap();
    assert!(
        error.is_chunks() && error.to_string().contains("[37]"),
        "{error}"
    );
}

/// Values whose bytes all differ, so that a wrong byte order shows.
fn distinct<T: Element>(shape: &[usize]) -> ArrayD<T> {
    let mut state = 1u64;
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        // The top byte stays below 64, so that floats are finite and compare equal to themselves.
        let bits = (state >> 2) | 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&bits.to_le_bytes());
        bytes[8..].copy_from_slice(&(bits ^ 0x0fed_cba9_8765_4321).to_le_bytes());
        scalar_of::<T>(bytes)
    })
}

fn scalar_of<T: Element>(bytes: [u8; 16]) -> T {
    use crate::base::scalar::Scalar;
    let low = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let high = u64::from_le_bytes(bytes[8..].try_into().unwrap());
    let scalar = match T::DTYPE {
        DType::Bool => Scalar::Bool(low & 2 == 0),
        DType::I8 => Scalar::I8(low as i8),
        DType::I16 => Scalar::I16(low as i16),
        DType::I32 => Scalar::I32(low as i32),
        DType::I64 => Scalar::I64(low as i64),
        DType::U8 => Scalar::U8(low as u8),
        DType::U16 => Scalar::U16(low as u16),
        DType::U32 => Scalar::U32(low as u32),
        DType::U64 => Scalar::U64(low),
        DType::F32 => Scalar::F32(low as f32),
        DType::F64 => Scalar::F64(f64::from_bits(low)),
        DType::Complex64 => Scalar::Complex64(Complex::new(low as f32, high as f32)),
        DType::Complex128 => Scalar::Complex128(Complex::new(f64::from_bits(low), high as f64)),
    };
    T::from_scalar(scalar).unwrap()
}

fn all_regions(shape: [usize; 3]) -> impl Iterator<Item = Region> {
    let ranges =
        |len: usize| (0..len).flat_map(move |start| (1..=len - start).map(move |n| (start, n)));
    ranges(shape[0]).flat_map(move |a| {
        ranges(shape[1]).flat_map(move |b| {
            ranges(shape[2]).map(move |c| Region::new([a.0, b.0, c.0], [a.1, b.1, c.1]))
        })
    })
}

/// A file as another machine would have written it.
fn foreign_file<T: Element>(array: &ArrayD<T>, fortran: bool, swapped: bool) -> Vec<u8> {
    let order = if swapped == cfg!(target_endian = "little") {
        '>'
    } else {
        '<'
    };
    let native = String::from_utf8(header::write(T::DTYPE, &[])[10..].to_vec()).unwrap();
    let code = native.split('\'').nth(3).unwrap()[1..].to_owned();
    let order = if T::DTYPE.size() == 1 { '|' } else { order };
    let python = if fortran { "True" } else { "False" };
    let shape: Vec<String> = array.shape().iter().map(|len| format!("{len},")).collect();
    let shape = shape.concat();
    let mut bytes = version_1(&format!(
        "{{'descr':'{order}{code}','fortran_order':{python},'shape':({shape})}}"
    ));
    let elements: Vec<T> = if fortran {
        array.t().iter().copied().collect()
    } else {
        array.iter().copied().collect()
    };
    let part = T::DTYPE.part().size();
    for element in elements {
        let mut element = element.to_scalar().to_bytes()[..T::DTYPE.size()].to_vec();
        if swapped {
            element.chunks_mut(part).for_each(<[u8]>::reverse);
        }
        bytes.extend(element);
    }
    bytes
}

fn round_trip<T: Element>() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [4, 3, 5];
    let array = distinct::<T>(&shape);
    for (fortran, swapped) in [(false, false), (false, true), (true, false), (true, true)] {
        let path = folder.path().join(format!("{fortran}-{swapped}.npy"));
        fs::write(&path, foreign_file(&array, fortran, swapped)).unwrap();
        let source = open::<T>(&path);
        for region in all_regions(shape) {
            assert_eq!(
                read(&source, &region),
                part(&array, &region),
                "{} {region}",
                T::DTYPE
            );
            // Into a destination of another order, and one with gaps.
            let mut out = Array::default(IxDyn(region.shape()).f());
            source.read(&region, out.view_mut()).unwrap();
            assert_eq!(out, part(&array, &region));
            let wide: Vec<usize> = region.shape().iter().map(|len| 2 * len).collect();
            let mut out = Array::default(IxDyn(&wide));
            let mut gaps = out.view_mut();
            for axis in 0..3 {
                gaps.slice_axis_inplace(ndarray::Axis(axis), ndarray::Slice::new(0, None, -2));
            }
            source.read(&region, gaps.view_mut()).unwrap();
            assert_eq!(gaps, part(&array, &region));
        }
    }
    let path = folder.path().join("written.npy");
    for pieces in [[4, 3, 5], [3, 2, 4], [1, 3, 2]] {
        let grid = Chunks::regular(&shape, &pieces).unwrap();
        let sink = NpySink::<T>::create(&path, &shape).unwrap();
        for block in 0..grid.count() {
            let region = grid.region(&crate::base::chunks::unravel(block, &grid.num_blocks()));
            let values = part(&array, &region);
            let mut other = Array::default(IxDyn(region.shape()).f());
            other.assign(&values);
            sink.write(
                &region,
                if block % 2 == 0 {
                    values.view()
                } else {
                    other.view()
                },
            )
            .unwrap();
        }
        sink.publish().unwrap();
        assert_eq!(read_all::<T>(&path), array);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn every_type_order_and_region() {
    for &dtype in DType::ALL {
        crate::base::dtype::with_dtype!(dtype, T => round_trip::<T>());
    }
}

#[test]
fn large_rows_go_through_the_scratch_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let array = distinct::<f64>(&[300, 700]);
    for fortran in [false, true] {
        let path = folder.path().join("large.npy");
        fs::write(&path, foreign_file(&array, fortran, true)).unwrap();
        let source = open::<f64>(&path);
        for region in [
            Region::whole(&[300, 700]),
            Region::new([0, 0], [300, 1]),
            Region::new([10, 0], [1, 700]),
            Region::new([1, 1], [298, 698]),
            Region::new([200, 600], [100, 100]),
        ] {
            assert_eq!(read(&source, &region), part(&array, &region), "{region}");
        }
    }
}

#[test]
fn bytes_that_are_no_bool_are_read_as_true() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bool.npy");
    let mut bytes = header::write(DType::Bool, &[4]);
    bytes.extend([0, 1, 2, 255]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        read_all::<bool>(&path).into_raw_vec_and_offset().0,
        [false, true, true, true]
    );
}

#[test]
fn an_unfinished_file_is_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    fs::write(&path, b"what was there").unwrap();
    let sink = NpySink::<i32>::create(&path, &[2, 2]).unwrap();
    let values = ArrayD::from_elem(IxDyn(&[1, 2]), 7);
    sink.write(&Region::new([1, 0], [1, 2]), values.view())
        .unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let error = sink
        .write(&Region::new([2, 0], [1, 2]), values.view())
        .unwrap_err();
    assert!(error.to_string().contains("x.npy"), "{error}");
    drop(sink);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read(&path).unwrap(), b"what was there");

    NpySink::<i32>::create(&path, &[2, 0])
        .unwrap()
        .publish()
        .unwrap();
    assert_eq!(read_all::<i32>(&path).shape(), [2, 0]);
    let error = NpySink::<i32>::create(folder.path().join("no/x.npy"), &[2])
        .err()
        .unwrap();
    assert!(
        error.is_io() && error.to_string().contains("no/x.npy"),
        "{error}"
    );
    assert!(NpySink::<i32>::create(folder.path(), &[2]).is_err());
}

#[test]
fn blocks_may_be_written_from_several_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.npy");
    let array = distinct::<u16>(&[64, 33]);
    let sink = NpySink::<u16>::create(&path, &[64, 33]).unwrap();
    std::thread::scope(|scope| {
        for first in 0..8 {
            let (sink, array) = (&sink, &array);
            scope.spawn(move || {
                for row in (first..64).step_by(8) {
                    let region = Region::new([row, 0], [1, 33]);
                    sink.write(&region, part(array, &region).view()).unwrap();
                }
            });
        }
    });
    sink.publish().unwrap();
    assert_eq!(read_all::<u16>(&path), array);
}

#[cfg(unix)]
#[test]
fn mapped_files() {
    use super::map::NpyMapped;
    use crate::base::memory;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.npy");
    let array = distinct::<f64>(&[4, 3]);
    // SAFETY: the files are this test's own, and nothing writes to them while a map lives.
    let map = |path: &Path| unsafe { NpyMapped::new(&NpyFile::open(path).unwrap()) };

    let x = read_all::<f32>(data("air_temperature.npy"));
    for (name, years) in [
        ("air_temperature.npy", 240),
        ("air_temperature_fortran.npy", 24),
    ] {
        let mapped = map(&data(name)).unwrap().into_memory();
        assert_eq!(
            (mapped.dtype(), mapped.shape()),
            (DType::F32, &[years, 37, 49][..])
        );
        // SAFETY: `mapped` lives as long as the view.
        let view = unsafe { memory::view::<f32>(mapped.first(), mapped.shape(), mapped.strides()) };
        assert_eq!(view, part(&x, &Region::new([0, 0, 0], [years, 37, 49])));
    }

    fs::write(&path, foreign_file(&array, false, true)).unwrap();
    assert!(map(&path).err().unwrap().to_string().contains("byte order"));
    let mut bytes = foreign_file(&array, false, false);
    let text = u16::from_le_bytes([bytes[8], bytes[9]]);
    let pad = 8 - (10 + text as usize) % 8 + 1;
    bytes.splice(
        10 + text as usize..10 + text as usize,
        std::iter::repeat_n(b' ', pad),
    );
    bytes[8..10].copy_from_slice(&(text + pad as u16).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read_all::<f64>(&path), array);
    assert!(map(&path).err().unwrap().to_string().contains("cannot"));
    fs::write(&path, header::write(DType::F64, &[3, 0])).unwrap();
    assert_eq!(map(&path).unwrap().into_memory().shape(), [3, 0]);
}
