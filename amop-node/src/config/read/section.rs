//! Reads the values of one section.

use std::collections::HashSet;
use std::hash::Hash;
use std::path::Path;

use super::super::ConfigError;
use super::super::ini::{IniEntry, IniSection};

/// A section and its entries, if it exists.
#[derive(Clone, Copy)]
pub(super) struct SectionKeys<'a> {
    pub(super) file: &'a Path,
    pub(super) name: &'static str,
    pub(super) section: Option<&'a IniSection>,
}

impl<'a> SectionKeys<'a> {
    pub(super) fn get<T>(
        self,
        key: &str,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(entry) = self.section.and_then(|section| section.get(key)) else {
            return Ok(None);
        };
        self.value(entry, expected, parse).map(Some)
    }

    /// Returns the values of a numbered list, in file order without duplicates.
    pub(super) fn list<T: Clone + Eq + Hash>(
        self,
        prefix: &str,
        expected: &'static str,
        parse: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let entries = self.section.map_or(&[][..], |section| &section.entries);
        let mut values = Vec::new();
        let mut seen = HashSet::new();
        for entry in entries.iter().filter(|e| e.key.starts_with(prefix)) {
            let value = self.value(entry, expected, &parse)?;
            if seen.insert(value.clone()) {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn value<T>(
        self,
        entry: &'a IniEntry,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        parse(&entry.value).ok_or_else(|| ConfigError::Value {
            file: self.file.to_owned(),
            line: entry.line,
            key: format!("{}.{}", self.name, entry.key),
            value: entry.value.chars().take(160).collect(),
            expected,
        })
    }

    /// Returns the line of a key that exists.
    pub(super) fn line(self, key: &str) -> usize {
        let entry = self.section.and_then(|section| section.get(key));
        entry.map_or(0, |entry| entry.line)
    }
}
