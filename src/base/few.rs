//! Lists that are nearly always short, such as one number per axis: the first items lie in the list itself, and
//! memory is asked for only where there are more.

use smallvec::SmallVec;

/// A list of any length; up to `N` items need no allocation.
pub type Few<T, const N: usize = 4> = SmallVec<[T; N]>;

/// Collects what is nearly always short: item by item, where `collect` would prepare for many first.
#[inline(always)]
pub fn few<T, const N: usize>(items: impl IntoIterator<Item = T>) -> Few<T, N> {
    let items = items.into_iter();
    let mut list = Few::new();
    let (least, _) = items.size_hint();
    if least > N {
        list.reserve(least);
    }
    for item in items {
        list.push(item);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_lists_are_collected_in_order() {
        for len in [0, 1, 4, 5, 100] {
            let list: Few<usize> = few(0..len);
            assert_eq!(list.to_vec(), (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_shape_is_no_larger_than_it_has_to_be() {
        assert_eq!(size_of::<Few<usize, 4>>(), 40);
    }
}
