//! A hash map in parts, for maps that may become large. When an ordinary map grows, it moves all
//! its entries at once, which takes tens of milliseconds for some hundred thousand entries. Here
//! the parts grow at different times.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry};

/// The number of bits of the hash that choose a part.
const BITS: u32 = 6;

/// A map whose parts grow independently.
#[derive(Debug, Clone)]
pub(crate) struct Shards<K, V> {
    parts: Vec<HashTable<(K, V)>>,
    len: usize,
    hasher: RandomState,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self {
            parts: (0..1 << BITS).map(|_| HashTable::new()).collect(),
            len: 0,
            hasher: RandomState::default(),
        }
    }
}

/// Uses bits from the middle of the hash, since the tables use the highest and the lowest ones.
fn part_of(hash: u64) -> usize {
    (hash >> 32) as usize % (1 << BITS)
}

impl<K: Hash + Eq, V> Shards<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.parts[part_of(hash)].find(hash, |(held, _)| held.borrow() == key);
        found.map(|(_, value)| value)
    }

    pub(crate) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.parts[part_of(hash)].find_mut(hash, |(held, _)| held.borrow() == key);
        found.map(|(_, value)| value)
    }

    pub(crate) fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }

    /// Inserts a value. Returns the value that was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        let part = &mut self.parts[part_of(hash)];
        let same = |held: &(K, V)| held.0 == key;
        match part.entry(hash, same, |held| hasher.hash_one(&held.0)) {
            Entry::Occupied(mut held) => Some(std::mem::replace(&mut held.get_mut().1, value)),
            Entry::Vacant(place) => {
                place.insert((key, value));
                self.len += 1;
                None
            }
        }
    }

    /// Returns the value of a key, and inserts the default value if the key has no value.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        let part = &mut self.parts[part_of(hash)];
        let same = |held: &(K, V)| held.0 == key;
        let held = match part.entry(hash, same, |held| hasher.hash_one(&held.0)) {
            Entry::Occupied(held) => held,
            Entry::Vacant(place) => {
                self.len += 1;
                place.insert((key, V::default()))
            }
        };
        &mut held.into_mut().1
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let part = &mut self.parts[part_of(hash)];
        let held = part.find_entry(hash, |(held, _)| held.borrow() == key);
        let ((_, value), _) = held.ok()?.remove();
        self.len -= 1;
        // A part that was large and is empty now releases its memory.
        if part.is_empty() && part.capacity() > KEPT {
            *part = HashTable::new();
        }
        Some(value)
    }
}

/// The number of entries for which an empty part keeps memory.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests;
