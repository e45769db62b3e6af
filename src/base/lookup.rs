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
    many: Option<HashMap<K, V>>,
}

impl<K: Eq + Hash, V, const N: usize> Lookup<K, V, N> {
    pub fn new() -> Lookup<K, V, N> {
        Lookup {
            few: Few::new(),
            many: None,
        }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        if let Some(many) = &self.many {
            return many.get(key);
        }
        let found = self.few.iter().find(|(other, _)| other == key);
        found.map(|(_, value)| value)
    }

    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value in place of the one before, which it gives.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let mut value = Some(value);
        let place = self.or_insert_with(key, || value.take().expect("asked for once"));
        value.map(|value| std::mem::replace(place, value))
    }

    /// The value of a key, which is `new` if there was none.
    pub fn or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if self.many.is_none() {
            if let Some(at) = self.few.iter().position(|(other, _)| *other == key) {
                return &mut self.few[at].1;
            }
            if self.few.len() < FEW {
                self.few.push((key, new()));
                let last = self.few.len() - 1;
                return &mut self.few[last].1;
            }
        }
        let many = self.many.get_or_insert_with(|| {
            let mut many = HashMap::with_capacity(4 * FEW);
            many.extend(std::mem::take(&mut self.few));
            many
        });
        many.entry(key).or_insert_with(new)
    }

    /// The keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        let few = self.few.iter().map(|(key, _)| key);
        few.chain(self.many.iter().flat_map(HashMap::keys))
    }
}

impl<K: Eq + Hash, V, const N: usize> Default for Lookup<K, V, N> {
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
