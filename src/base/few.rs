//! Lists that are nearly always short, such as one number per axis: the first items lie in the list itself, and
//! memory is asked for only where there are more.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

/// A list of any length; up to `N` items need no allocation.
#[derive(Clone)]
pub struct Few<T, const N: usize = 4>(Items<T, N>);

#[derive(Clone)]
enum Items<T, const N: usize> {
    /// The first `len` are the list's, the others defaults.
    Here {
        len: u8,
        items: [T; N],
    },
    Apart(Vec<T>),
}

impl<T: Default, const N: usize> Few<T, N> {
    #[inline]
    pub fn new() -> Few<T, N> {
        Few(Items::Here {
            len: 0,
            items: std::array::from_fn(|_| T::default()),
        })
    }

    #[inline]
    pub fn push(&mut self, item: T) {
        match &mut self.0 {
            Items::Here { len, items } => match items.get_mut(usize::from(*len)) {
                Some(place) => {
                    *place = item;
                    *len += 1;
                }
                None => self.spread(item),
            },
            Items::Apart(items) => items.push(item),
        }
    }

    /// There is no more room in the list itself.
    #[cold]
    fn spread(&mut self, item: T) {
        let mut all = Vec::with_capacity(2 * N.max(2));
        all.extend(self.iter_mut().map(std::mem::take));
        all.push(item);
        self.0 = Items::Apart(all);
    }
}

impl<T> Few<T, 1> {
    /// A list of one item.
    #[inline]
    pub fn one(item: T) -> Few<T, 1> {
        Few(Items::Here {
            len: 1,
            items: [item],
        })
    }
}

impl<T: Default + Copy, const N: usize> Few<T, N> {
    /// So many times the same.
    #[inline]
    pub fn filled(item: T, len: usize) -> Few<T, N> {
        if len <= N {
            Few(Items::Here {
                len: len as u8,
                items: [item; N],
            })
        } else {
            Few(Items::Apart(vec![item; len]))
        }
    }

    /// The items of a slice.
    #[inline]
    pub fn of(slice: &[T]) -> Few<T, N> {
        if slice.len() <= N {
            let mut items = [T::default(); N];
            for (place, item) in items.iter_mut().zip(slice) {
                *place = *item;
            }
            Few(Items::Here {
                len: slice.len() as u8,
                items,
            })
        } else {
            Few(Items::Apart(slice.to_vec()))
        }
    }
}

impl<T: Default, const N: usize> Default for Few<T, N> {
    fn default() -> Few<T, N> {
        Few::new()
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Items::Here { len, items } => &items[..usize::from(*len)],
            Items::Apart(items) => items,
        }
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Items::Here { len, items } => &mut items[..usize::from(*len)],
            Items::Apart(items) => items,
        }
    }
}

impl<T: Default, const N: usize> FromIterator<T> for Few<T, N> {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Few<T, N> {
        let mut few = Few::new();
        few.extend(items);
        few
    }
}

impl<T: Default, const N: usize> Extend<T> for Few<T, N> {
    #[inline]
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.push(item);
        }
    }
}

impl<T: Default, const N: usize> From<Vec<T>> for Few<T, N> {
    fn from(items: Vec<T>) -> Few<T, N> {
        if items.len() <= N {
            items.into_iter().collect()
        } else {
            Few(Items::Apart(items))
        }
    }
}

impl<T: Default, const N: usize, const M: usize> From<[T; M]> for Few<T, N> {
    fn from(items: [T; M]) -> Few<T, N> {
        items.into_iter().collect()
    }
}

impl<T: Default + Copy, const N: usize> From<&[T]> for Few<T, N> {
    fn from(items: &[T]) -> Few<T, N> {
        Few::of(items)
    }
}

impl<T: Default, const N: usize> From<Few<T, N>> for Vec<T> {
    fn from(few: Few<T, N>) -> Vec<T> {
        match few.0 {
            Items::Here { .. } => few.into_iter().collect(),
            Items::Apart(items) => items,
        }
    }
}

/// Takes a list's items out of it.
pub struct IntoIter<T, const N: usize> {
    few: Few<T, N>,
    next: usize,
}

impl<T: Default, const N: usize> Iterator for IntoIter<T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let item = self.few.get_mut(self.next)?;
        self.next += 1;
        Some(std::mem::take(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.few.len() - self.next;
        (left, Some(left))
    }
}

impl<T: Default, const N: usize> ExactSizeIterator for IntoIter<T, N> {}

impl<T: Default, const N: usize> IntoIterator for Few<T, N> {
    type Item = T;
    type IntoIter = IntoIter<T, N>;

    fn into_iter(self) -> IntoIter<T, N> {
        IntoIter { few: self, next: 0 }
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a Few<T, N> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> std::slice::Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a mut Few<T, N> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> std::slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Few<T, N> {
    fn eq(&self, other: &Few<T, N>) -> bool {
        **self == **other
    }
}

impl<T: Eq, const N: usize> Eq for Few<T, N> {}

impl<T: PartialEq, const N: usize, const M: usize> PartialEq<[T; M]> for Few<T, N> {
    fn eq(&self, other: &[T; M]) -> bool {
        **self == *other
    }
}

impl<T: PartialEq, const N: usize> PartialEq<[T]> for Few<T, N> {
    fn eq(&self, other: &[T]) -> bool {
        **self == *other
    }
}

impl<T: PartialEq, const N: usize> PartialEq<&[T]> for Few<T, N> {
    fn eq(&self, other: &&[T]) -> bool {
        **self == **other
    }
}

impl<T: PartialEq, const N: usize> PartialEq<Vec<T>> for Few<T, N> {
    fn eq(&self, other: &Vec<T>) -> bool {
        **self == **other
    }
}

impl<T: Hash, const N: usize> Hash for Few<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Few<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn lists_of_all_lengths_are_lists() {
        for len in 0..10usize {
            let items: Vec<usize> = (10..10 + len).collect();
            let few: Few<usize, 3> = items.iter().copied().collect();
            assert_eq!(few, items);
            assert_eq!(few, Few::of(&items));
            assert_eq!(few, Few::from(items.clone()));
            assert_eq!(few.clone().iter().rev().count(), len);
            assert_eq!(format!("{few:?}"), format!("{items:?}"));
            assert_eq!(Few::<u8, 3>::filled(7, len), vec![7; len]);
            let mut longer = few.clone();
            longer.push(1);
            assert_eq!(longer[..len], items);
            assert_ne!(longer, few);
            longer[0] = 5;
            assert_eq!(longer.iter().filter(|&&item| item == 5).count(), 1);
        }
    }

    #[test]
    fn a_list_keeps_nothing_that_it_does_not_hold() {
        let item = Arc::new(());
        let mut few: Few<Option<Arc<()>>, 2> = Few::new();
        for _ in 0..5 {
            few.push(Some(item.clone()));
        }
        assert_eq!((few.len(), Arc::strong_count(&item)), (5, 6));
        drop(few);
        assert_eq!(Arc::strong_count(&item), 1);
    }

    #[test]
    fn a_shape_is_no_larger_than_it_has_to_be() {
        assert_eq!(size_of::<Few<usize, 4>>(), 40);
    }
}
