//! The table of element types.

use std::fmt;

/// Calls `$callback!` with the table of element types: one row per type, `Variant, rust type, name`.
///
/// Every list of element types in the crate is made from this one.
macro_rules! for_each_dtype {
    ($callback:ident $(, $extra:tt)*) => {
        $callback! { $($extra)*
            (Bool, bool, "bool"),
            (I8, i8, "int8"),
            (I16, i16, "int16"),
            (I32, i32, "int32"),
            (I64, i64, "int64"),
            (U8, u8, "uint8"),
            (U16, u16, "uint16"),
            (U32, u32, "uint32"),
            (U64, u64, "uint64"),
            (F32, f32, "float32"),
            (F64, f64, "float64"),
            (Complex64, num_complex::Complex<f32>, "complex64"),
            (Complex128, num_complex::Complex<f64>, "complex128"),
        }
    };
}
pub(crate) use for_each_dtype;

macro_rules! dtype_enum {
    ($(($variant:ident, $ty:ty, $name:literal),)*) => {
        /// The type of an array's elements, as a value. Names are NumPy's.
        ///
        /// ```
        /// use flagstone::{Array, DType};
        ///
        /// let x = Array::<f32>::zeros([2, 3], ..);
        /// assert_eq!(x.dtype(), DType::F32);
        /// assert_eq!(x.dtype().to_string(), "float32");
        /// assert_eq!(x.dtype().size(), 4);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DType {
            $(#[doc = concat!("`", stringify!($ty), "`, NumPy's `", $name, "`")] $variant,)*
        }

        impl DType {
            /// All element types, in the order of the table.
            pub const ALL: &'static [DType] = &[$(DType::$variant),*];

            /// The bytes of one element.
            pub const fn size(self) -> usize {
                match self { $(DType::$variant => size_of::<$ty>(),)* }
            }

            /// NumPy's name.
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// The name of the Rust type.
            pub const fn rust_name(self) -> &'static str {
                match self {
                    DType::Complex64 => "Complex<f32>",
                    DType::Complex128 => "Complex<f64>",
                    $(#[allow(unreachable_patterns)] DType::$variant => stringify!($ty),)*
                }
            }
        }
    };
}
for_each_dtype!(dtype_enum);

impl DType {
    /// `float32` or `float64`.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// `complex64` or `complex128`.
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::Complex64 | DType::Complex128)
    }

    /// A signed or unsigned integer; `bool` is none.
    pub const fn is_integer(self) -> bool {
        !self.is_float() && !self.is_complex() && !matches!(self, DType::Bool)
    }

    /// The type of the real and imaginary part; a real type is its own.
    pub const fn part(self) -> DType {
        match self {
            DType::Complex64 => DType::F32,
            DType::Complex128 => DType::F64,
            real => real,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Runs `$body` with the type alias `$T` bound to the Rust type of the dtype `$dtype`.
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::base::dtype::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::base::dtype::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::base::dtype::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::base::dtype::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::base::dtype::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::base::dtype::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::base::dtype::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::base::dtype::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::base::dtype::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::base::dtype::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::base::dtype::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::base::dtype::DType::Complex64 => {
                type $T = num_complex::Complex<f32>;
                $body
            }
            $crate::base::dtype::DType::Complex128 => {
                type $T = num_complex::Complex<f64>;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;
