//! Lists that are nearly always short, such as one number per axis: the first items lie in the list itself, and
//! memory is asked for only where there are more.

use smallvec::SmallVec;

/// A list of any length; up to `N` items need no allocation.
pub type Few<T, const N: usize = 4> = SmallVec<[T; N]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_no_larger_than_it_has_to_be() {
        assert_eq!(size_of::<Few<usize, 4>>(), 40);
    }
}
