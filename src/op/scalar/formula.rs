//! Every operation as a type, so that generic kernels can be instantiated with it.

use crate::base::element::Element;
use crate::op::table::for_each_op;

/// An operation of one operand of type `T`.
pub trait Unary<T: Copy>: 'static {
    type Out: Element;

    /// The result; if `FMA`, by the code for machines that have it, if the operation has such code.
    fn apply<const FMA: bool>(x: T) -> Self::Out;

    /// Whether [`near`](Unary::near) is other code than `apply::<true>`.
    const HAS_NEAR: bool = false;

    /// Whether [`near`](Unary::near) does not hold for the value.
    #[inline(always)]
    fn is_far(_: T) -> bool {
        false
    }

    /// What `apply::<true>` gives of a value that is not far, by less code and without a branch.
    #[inline(always)]
    fn near(x: T) -> Self::Out {
        Self::apply::<true>(x)
    }
}

/// An operation of two operands of type `T`.
pub trait Binary<T>: 'static {
    type Out: Element;

    /// The result; if `FMA`, by the code for machines that have it, if the operation has such code.
    fn apply<const FMA: bool>(x: T, y: T) -> Self::Out;
}

/// An operation of three operands of type `T`.
pub trait Ternary<T>: 'static {
    type Out: Element;
    fn apply(x: T, y: T, z: T) -> Self::Out;
}

/// A choice between two operands of type `T`.
pub trait Choice<T>: 'static {
    type Out: Element;
    fn apply(condition: bool, x: T, y: T) -> Self::Out;
}

macro_rules! result {
    (Same, $T:ident) => {
        $T
    };
    (Bool, $T:ident) => {
        bool
    };
    (Count, $T:ident) => {
        u8
    };
    (Real, $T:ident) => {
        <$T as $crate::base::element::Numeric>::Real
    };
    (Mean, $T:ident) => {
        <$T as $crate::base::element::Numeric>::Mean
    };
}

macro_rules! formula {
    (Unary, $variant:ident, exp, $class:ident, $result:ident) => {
        formula!(near $variant, exp, exp_near, exp_is_far, $class);
    };
    (Unary, $variant:ident, log, $class:ident, $result:ident) => {
        formula!(near $variant, log, log_near, log_is_far, $class);
    };
    (Unary, $variant:ident, sin, $class:ident, $result:ident) => {
        formula!(near $variant, sin, sin_near, angle_is_far, $class);
    };
    (Unary, $variant:ident, cos, $class:ident, $result:ident) => {
        formula!(near $variant, cos, cos_near, angle_is_far, $class);
    };
    (Unary, $variant:ident, tan, $class:ident, $result:ident) => {
        formula!(near $variant, tan, tan_near, tan_is_far, $class);
    };
    (Unary, $variant:ident, sinh, $class:ident, $result:ident) => {
        formula!(near $variant, sinh, sinh_near, sinh_is_far, $class);
    };
    (Unary, $variant:ident, cosh, $class:ident, $result:ident) => {
        formula!(near $variant, cosh, cosh_near, sinh_is_far, $class);
    };
    (Unary, $variant:ident, sinc, $class:ident, $result:ident) => {
        formula!(near $variant, sinc, sinc_near, sinc_is_far, $class);
    };
    (near $variant:ident, $name:ident, $near:ident, $is_far:ident, $class:ident) => {
        impl<T: scalar::$class> super::Unary<T> for $variant {
            type Out = T;
            const HAS_NEAR: bool = T::HAS_NEAR;
            #[inline(always)]
            fn apply<const FMA: bool>(x: T) -> T {
                <T as scalar::$class>::$name::<FMA>(x)
            }
            #[inline(always)]
            fn is_far(x: T) -> bool {
                x.$is_far()
            }
            #[inline(always)]
            fn near(x: T) -> T {
                x.$near()
            }
        }
    };
    (Unary, $variant:ident, $name:ident, Elementary, $result:ident) => {
        formula!(unary $variant, $name, Elementary, $result, FMA);
    };
    (Unary, $variant:ident, $name:ident, RealElementary, $result:ident) => {
        formula!(unary $variant, $name, RealElementary, $result, FMA);
    };
    (Unary, $variant:ident, $name:ident, $class:ident, $result:ident) => {
        formula!(unary $variant, $name, $class, $result);
    };
    (unary $variant:ident, $name:ident, $class:ident, $result:ident $(, $fma:ident)?) => {
        impl<T: scalar::$class> super::Unary<T> for $variant {
            type Out = result!($result, T);
            #[inline(always)]
            fn apply<const FMA: bool>(x: T) -> Self::Out {
                <T as scalar::$class>::$name$(::<$fma>)?(x)
            }
        }
    };
    // Of integers as of floating-point numbers, which have code of their own.
    (Binary, $variant:ident, power, $class:ident, $result:ident) => {
        formula!(binary $variant, power, $class, $result, FMA);
    };
    (Binary, $variant:ident, $name:ident, RealElementary, $result:ident) => {
        formula!(binary $variant, $name, RealElementary, $result, FMA);
    };
    (Binary, $variant:ident, $name:ident, $class:ident, $result:ident) => {
        formula!(binary $variant, $name, $class, $result);
    };
    (binary $variant:ident, $name:ident, $class:ident, $result:ident $(, $fma:ident)?) => {
        impl<T: scalar::$class> super::Binary<T> for $variant {
            type Out = result!($result, T);
            #[inline(always)]
            fn apply<const FMA: bool>(x: T, y: T) -> Self::Out {
                <T as scalar::$class>::$name$(::<$fma>)?(x, y)
            }
        }
    };
    (Ternary, $variant:ident, $name:ident, $class:ident, $result:ident) => {
        impl<T: scalar::$class> super::Ternary<T> for $variant {
            type Out = result!($result, T);
            #[inline(always)]
            fn apply(x: T, y: T, z: T) -> Self::Out {
                <T as scalar::$class>::$name(x, y, z)
            }
        }
    };
    (Choice, $variant:ident, $name:ident, $class:ident, $result:ident) => {
        impl<T: scalar::$class> super::Choice<T> for $variant {
            type Out = result!($result, T);
            #[inline(always)]
            fn apply(condition: bool, x: T, y: T) -> Self::Out {
                if condition { x } else { y }
            }
        }
    };
}

macro_rules! families {
    ($($family:ident { $(($variant:ident, $name:ident, $arity:ident, $class:ident, $result:ident,
        $cost:literal, $symmetry:ident, $share:ident, $doc:literal),)* })*) => {$(
        pub mod $family {
            use crate::op::scalar;

            $(
                #[doc = $doc]
                pub struct $variant;
                formula!($arity, $variant, $name, $class, $result);
            )*
        }
    )*};
}
for_each_op!(families);
