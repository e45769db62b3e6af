//! Scale, offset and missing values, against what the conventions say.

use flagstone::netcdf::{Decode, NetcdfFile};
use flagstone::{AnyArray, DType};
use ndarray::ArrayD;

use crate::read::data;
use crate::sample::values;

fn decoded(name: &str, how: &Decode) -> AnyArray {
    let file = NetcdfFile::open(data("netcdf4.nc")).unwrap();
    file.variable(name).unwrap().decoded(how).unwrap()
}

#[track_caller]
fn is_f64(x: &AnyArray, expected: &ArrayD<f64>) {
    let found = x.typed::<f64>().unwrap().compute().unwrap();
    assert_eq!(found.mapv(f64::to_bits), expected.mapv(f64::to_bits));
}

#[track_caller]
fn is_f32(x: &AnyArray, expected: &ArrayD<f32>) {
    let found = x.typed::<f32>().unwrap().compute().unwrap();
    assert_eq!(found.mapv(f32::to_bits), expected.mapv(f32::to_bits));
}

#[test]
fn short_integers_with_a_scale_become_f32() {
    let packed = values::<i16>(&[7, 10]);
    assert!(packed.iter().any(|&x| x == -13), "something is missing");
    let all = packed.mapv(|x| {
        if x == -13 {
            f32::NAN
        } else {
            f32::from(x) * 0.25
        }
    });
    is_f32(&decoded("packed", &Decode::new()), &all);
    let masked = packed.mapv(|x| if x == -13 { f32::NAN } else { f32::from(x) });
    is_f32(&decoded("packed", &Decode::new().scale(false)), &masked);
    let scaled = packed.mapv(|x| f32::from(x) * 0.25);
    is_f32(&decoded("packed", &Decode::new().mask(false)), &scaled);
    let neither = decoded("packed", &Decode::new().mask(false).scale(false));
    assert_eq!(neither.typed::<i16>().unwrap().compute().unwrap(), packed);
}

#[test]
fn an_offset_needs_f64() {
    let packed = values::<i16>(&[7, 10]);
    let expected = packed.mapv(|x| match x {
        -13 | 24 => f64::NAN,
        x => f64::from(x) * 0.01 + 273.15,
    });
    assert!(
        packed.iter().any(|&x| x == 24),
        "both are missing somewhere"
    );
    is_f64(&decoded("packed_offset", &Decode::new()), &expected);
}

#[test]
fn missing_values_of_all_kinds() {
    let expected = values::<i32>(&[7, 10]).mapv(|x| match x {
        0 | 50 => f64::NAN,
        x => f64::from(x),
    });
    is_f64(&decoded("masked", &Decode::new()), &expected);
    let floats = values::<f32>(&[7, 10]);
    let expected = floats.mapv(|x| if x == 6.25 { f32::NAN } else { x });
    assert!(expected.iter().any(|x| x.is_nan()));
    is_f32(&decoded("floats", &Decode::new()), &expected);
    let doubled = values::<f64>(&[7, 10]) * 2.0;
    is_f64(&decoded("doubles", &Decode::new()), &doubled);
    // Bytes that are meant to have no sign, and so is what is missing: -56 is 200.
    let expected = values::<u8>(&[7, 10]).mapv(|x| match x * 2 {
        200 => f32::NAN,
        x => f32::from(x) * 2.0,
    });
    assert!(expected.iter().any(|x| x.is_nan()) && expected.iter().any(|&x| x > 254.0));
    is_f32(&decoded("unsigned", &Decode::new()), &expected);
    // Nothing to do: the elements as they are.
    let plain = decoded("zlib_int16", &Decode::new().mask(false));
    assert_eq!(plain.dtype(), Some(DType::I16));
}

#[test]
fn what_cannot_be_decoded_is_said() {
    let file = NetcdfFile::open(data("netcdf4.nc")).unwrap();
    let wrong = file.variable("wrong").unwrap();
    let error = wrong.decoded(&Decode::new()).err().unwrap();
    let text = error.to_string();
    assert!(error.is_value() && text.contains("scale_factor"), "{text}");
    assert!(
        text.contains("two") && text.contains("netcdf4.nc"),
        "{text}"
    );
    assert!(wrong.decoded(&Decode::new().scale(false)).is_ok());
}

#[test]
fn decoding_is_lazy() {
    let x = decoded("packed_offset", &Decode::new());
    let plan = x.typed::<f64>().unwrap().mean(0).explain().unwrap();
    assert!(plan.to_string().contains("load /packed_offset"), "{plan}");
}
