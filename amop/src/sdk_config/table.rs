//! Tables and values of TOML with their names.

use std::{collections::BTreeSet, ops::Range};

use toml::de::{DeTable, DeValue};

/// A table with its name, and the keys that were looked up.
pub(super) struct TomlTable<'t> {
    name: String,
    pub(super) entries: &'t DeTable<'t>,
    /// Go's keys may be written in any case.
    any_case: bool,
    pub(super) known: BTreeSet<String>,
}

/// A value with its name.
pub(super) struct TomlValue<'t> {
    pub(super) key: String,
    pub(super) value: &'t DeValue<'t>,
    pub(super) span: Range<usize>,
}

impl<'t> TomlTable<'t> {
    pub(super) fn new(name: &str, entries: &'t DeTable<'t>, any_case: bool) -> Self {
        Self {
            name: name.to_owned(),
            entries,
            any_case,
            known: BTreeSet::new(),
        }
    }

    pub(super) fn get(&mut self, key: &str) -> Option<TomlValue<'t>> {
        let any_case = self.any_case;
        let is_it = |name: &str| name == key || any_case && name.eq_ignore_ascii_case(key);
        let (name, value) = self
            .entries
            .iter()
            .find(|(name, _)| is_it(name.get_ref()))?;
        self.known.insert(name.get_ref().to_string());
        Some(TomlValue {
            key: self.full(name.get_ref()),
            value: value.get_ref(),
            span: value.span(),
        })
    }

    pub(super) fn full(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}
