//! Functions of several arguments, called with a tuple.

/// A function that takes its arguments from a tuple, as Python's `f(*args)`: closures and functions of one to eight
/// arguments.
pub trait Spread<Args> {
    /// What the function gives.
    type Output;

    #[doc(hidden)]
    fn spread(&self, args: Args) -> Self::Output;
}

/// One row per number of arguments.
macro_rules! spread {
    ($(($($name:ident)+))*) => {$(
        impl<Func, Out, $($name),+> Spread<($($name,)+)> for Func
        where
            Func: Fn($($name),+) -> Out,
        {
            type Output = Out;

            #[allow(non_snake_case, reason = "arguments have the names of their types")]
            fn spread(&self, ($($name,)+): ($($name,)+)) -> Out {
                self($($name),+)
            }
        }
    )*};
}
spread! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
