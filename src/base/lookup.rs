//! Maps that are lists while they are small: most plans have few nodes, and these are found faster than hashed.

use std::hash::Hash;

use foldhash::{HashMap, HashMapExt};

use super::few::Few;

/// So many entries are searched one by one.
const FEW: usize = 8;

/// A map from keys to values; up to `N` entries need no allocation.
pub struct Lookup<K, V, const N: usize = 4> {
    few: Few<(K, V), N>,
    /// All entries, once there are many.
    many: HashMap<K, V>,
}

impl<K: Eq + Hash + Default, V: Default, const N: usize> Lookup<K, V, N> {
    pub fn new() -> Lookup<K, V, N> {
        Lookup {
            few: Few::new(),
            many: HashMap::new(),
        }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        if self.many.is_empty() {
            let found = self.few.iter().find(|(other, _)| other == key);
            return found.map(|(_, value)| value);
        }
        self.many.get(key)
    }

    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value in place of the one before, which it gives.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if !self.many.is_empty() {
            return self.many.insert(key, value);
        }
        if let Some((_, place)) = self.few.iter_mut().find(|(other, _)| *other == key) {
            return Some(std::mem::replace(place, value));
        }
        if self.few.len() < FEW {
            self.few.push((key, value));
        } else {
            self.many.reserve(4 * FEW);
            self.many.extend(std::mem::take(&mut self.few));
            self.many.insert(key, value);
        }
        None
    }

    /// The keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        let few = self.few.iter().map(|(key, _)| key);
        few.chain(self.many.keys())
    }
}

impl<K: Eq + Hash + Default, V: Default, const N: usize> Default for Lookup<K, V, N> {
    fn default() -> Lookup<K, V, N> {
        Lookup::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_last_is_found() {
        let mut lookup: Lookup<usize, (usize, usize)> = Lookup::new();
        for round in 0..3 {
            for key in 0..3 * FEW {
                let before = (round > 0).then(|| (round - 1, key));
                assert_eq!(lookup.insert(key, (round, key)), before);
                assert_eq!(lookup.get(&key), Some(&(round, key)));
                assert_eq!(lookup.contains(&(key + 1)), round > 0 && key + 1 < 3 * FEW);
            }
        }
        let mut keys: Vec<usize> = lookup.keys().copied().collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..3 * FEW).collect::<Vec<_>>());
    }
}
