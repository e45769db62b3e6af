//! Which of our element types a stored one is.

use hdf5::types::{CompoundType, FloatSize, TypeDescriptor};
use hdf5_sys::h5t::{self, H5Tequal};

use crate::base::dtype::DType;
use crate::error::{Error, Kind, Result};

/// A stored element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub dtype: DType,
    /// Whether elements have the other byte order than this machine.
    pub swapped: bool,
}

/// The type of stored elements.
///
/// # Errors
/// If arrays cannot hold it.
pub fn stored(found: &hdf5::Datatype) -> Result<Stored> {
    let little = cfg!(target_endian = "little");
    if let Some((dtype, is_little)) = number(found) {
        return Ok(Stored {
            dtype,
            swapped: dtype.size() > 1 && is_little != little,
        });
    }
    let descriptor = found.to_descriptor();
    match &descriptor {
        // As h5py and PyTables keep truth values.
        Ok(TypeDescriptor::Boolean) => {
            return Ok(Stored {
                dtype: DType::Bool,
                swapped: false,
            });
        }
        Ok(TypeDescriptor::Compound(compound)) => {
            if let Some(stored) = complex(found, compound, little) {
                return Ok(stored);
            }
        }
        _ => {}
    }
    let what = match descriptor {
        Ok(descriptor) => format!("\"{descriptor}\""),
        Err(_) => "one that is not known".to_owned(),
    };
    let known: Vec<&str> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
    Err(Error::new(
        Kind::Dtype,
        format!(
            "its element type is {what}; arrays can hold {}",
            known.join(", ")
        ),
    ))
}

/// The number types, each as exactly what it is: no bits of padding, no other exponent.
fn number(found: &hdf5::Datatype) -> Option<(DType, bool)> {
    hdf5::sync::sync(|| {
        let known = [
            (DType::I8, true, h5t::H5T_STD_I8LE),
            (DType::I8, false, h5t::H5T_STD_I8BE),
            (DType::I16, true, h5t::H5T_STD_I16LE),
            (DType::I16, false, h5t::H5T_STD_I16BE),
            (DType::I32, true, h5t::H5T_STD_I32LE),
            (DType::I32, false, h5t::H5T_STD_I32BE),
            (DType::I64, true, h5t::H5T_STD_I64LE),
            (DType::I64, false, h5t::H5T_STD_I64BE),
            (DType::U8, true, h5t::H5T_STD_U8LE),
            (DType::U8, false, h5t::H5T_STD_U8BE),
            (DType::U16, true, h5t::H5T_STD_U16LE),
            (DType::U16, false, h5t::H5T_STD_U16BE),
            (DType::U32, true, h5t::H5T_STD_U32LE),
            (DType::U32, false, h5t::H5T_STD_U32BE),
            (DType::U64, true, h5t::H5T_STD_U64LE),
            (DType::U64, false, h5t::H5T_STD_U64BE),
            (DType::F32, true, h5t::H5T_IEEE_F32LE),
            (DType::F32, false, h5t::H5T_IEEE_F32BE),
            (DType::F64, true, h5t::H5T_IEEE_F64LE),
            (DType::F64, false, h5t::H5T_IEEE_F64BE),
        ];
        known
            .into_iter()
            // SAFETY: both are numbers of types, which the library checks.
            .find(|(_, _, id)| unsafe { H5Tequal(found.id(), **id) } > 0)
            .map(|(dtype, is_little, _)| (dtype, is_little))
    })
}

/// As h5py keeps complex numbers: a structure of two floats, "r" and "i".
fn complex(found: &hdf5::Datatype, compound: &CompoundType, little: bool) -> Option<Stored> {
    let [r, i] = &compound.fields[..] else {
        return None;
    };
    let dtype = match (&r.ty, &i.ty) {
        (TypeDescriptor::Float(FloatSize::U4), TypeDescriptor::Float(FloatSize::U4)) => {
            DType::Complex64
        }
        (TypeDescriptor::Float(FloatSize::U8), TypeDescriptor::Float(FloatSize::U8)) => {
            DType::Complex128
        }
        _ => return None,
    };
    let packed = compound.size == dtype.size() && r.offset == 0 && i.offset == dtype.size() / 2;
    if !packed || r.name != "r" || i.name != "i" {
        return None;
    }
    let is_little = match found.byte_order() {
        hdf5::datatype::ByteOrder::LittleEndian => true,
        hdf5::datatype::ByteOrder::BigEndian => false,
        _ => return None,
    };
    Some(Stored {
        dtype,
        swapped: is_little != little,
    })
}
