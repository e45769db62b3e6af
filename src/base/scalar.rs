//! One value of a type known at run time.

use std::fmt;

use super::dtype::{DType, for_each_dtype};
use super::element::Element;

macro_rules! scalar_enum {
    ($(($variant:ident, $ty:ty, $name:literal),)*) => {
        /// One element, of a type known at run time.
        ///
        /// Two scalars are equal when type and bits are, so that NaN equals itself and −0 differs from 0.
        #[derive(Clone, Copy, Debug)]
        pub enum Scalar {
            $(#[doc = concat!("a `", stringify!($ty), "`")] $variant($ty),)*
        }

        impl Default for Scalar {
            fn default() -> Scalar {
                Scalar::Bool(false)
            }
        }

        impl Scalar {
            /// The type of the value.
            pub fn dtype(self) -> DType {
                match self { $(Scalar::$variant(_) => DType::$variant,)* }
            }

            /// The value's bytes in native order, padded with zeros.
            pub(crate) fn to_bytes(self) -> [u8; 16] {
                let mut bytes = [0; 16];
                match self {
                    Scalar::Bool(v) => bytes[0] = v as u8,
                    Scalar::I8(v) => bytes[..1].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::I16(v) => bytes[..2].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::I32(v) => bytes[..4].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::I64(v) => bytes[..8].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::U8(v) => bytes[..1].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::U16(v) => bytes[..2].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::U32(v) => bytes[..4].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::U64(v) => bytes[..8].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::F32(v) => bytes[..4].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::F64(v) => bytes[..8].copy_from_slice(&v.to_ne_bytes()),
                    Scalar::Complex64(v) => {
                        bytes[..4].copy_from_slice(&v.re.to_ne_bytes());
                        bytes[4..8].copy_from_slice(&v.im.to_ne_bytes());
                    }
                    Scalar::Complex128(v) => {
                        bytes[..8].copy_from_slice(&v.re.to_ne_bytes());
                        bytes[8..].copy_from_slice(&v.im.to_ne_bytes());
                    }
                }
                bytes
            }

            /// Zero of a type (`false` for `bool`).
            pub(crate) fn zero(dtype: DType) -> Scalar {
                match dtype { $(DType::$variant => Scalar::$variant(<$ty>::default()),)* }
            }
        }

        impl fmt::Display for Scalar {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Scalar::$variant(value) => value.fmt(f),)* }
            }
        }
    };
}
for_each_dtype!(scalar_enum);

impl<T: Element> From<T> for Scalar {
    fn from(value: T) -> Scalar {
        value.to_scalar()
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.dtype() == other.dtype() && self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Scalar {}

impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.dtype().hash(state);
        self.to_bytes().hash(state);
    }
}
