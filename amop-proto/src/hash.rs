//! The hash maps of the data path: seeded at random like those of the standard library, and several
//! times faster on the short keys that are looked up for every message.

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

pub(crate) type HashSet<T> = std::collections::HashSet<T, foldhash::fast::RandomState>;
