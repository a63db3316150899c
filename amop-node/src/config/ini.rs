//! The INI dialect of the chain's `config.ini`, with line numbers.
//!
//! FISCO nodes read it with Boost's property tree: only whole-line comments, values taken literally
//! to the end of the line, no quotes, escapes or continuation lines; a key twice in one section is
//! an error. Common INI crates differ in just these points (and do not keep line numbers), so this
//! parser is written by hand.

use std::collections::HashMap;
use std::fmt;

/// A parsed file. Sections without entries are left out, as Boost does.
#[derive(Debug, Default)]
pub(super) struct Ini {
    pub(super) sections: Vec<IniSection>,
}

/// A section and its entries in file order. The name is empty for entries before
/// the first header.
#[derive(Debug)]
pub(super) struct IniSection {
    pub(super) name: String,
    /// Line of the header, counted from 1.
    pub(super) line: usize,
    pub(super) entries: Vec<IniEntry>,
}

/// One `key=value` line.
#[derive(Debug)]
pub(super) struct IniEntry {
    pub(super) key: String,
    pub(super) value: String,
    /// Line, counted from 1.
    pub(super) line: usize,
}

/// The problem with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) problem: IniProblem,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum IniProblem {
    NoEquals,
    NoKey,
    UnclosedHeader,
    DuplicateSection { name: String, first: usize },
    DuplicateKey { key: String, first: usize },
}

impl fmt::Display for IniProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEquals => f.write_str(
                "neither a [section], a key=value nor a comment; comments begin with ; or #",
            ),
            Self::NoKey => f.write_str("a key is missing before the ="),
            Self::UnclosedHeader => f.write_str("the section name is not closed with ]"),
            Self::DuplicateSection { name, first } => write!(
                f,
                "section [{}] exists already (line {first}); merge the two",
                name.escape_debug()
            ),
            Self::DuplicateKey { key, first } => write!(
                f,
                "key {} exists already in this section (line {first}); remove one",
                key.escape_debug()
            ),
        }
    }
}

/// The kinds of line in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IniLine<'a> {
    /// Empty or a comment.
    Blank,
    /// `[name]`; text after the bracket is ignored.
    Header(&'a str),
    /// `key=value`, both trimmed.
    Pair(&'a str, &'a str),
}

/// Splits a file into lines as [`Ini::parse`] counts them. A byte order mark, which
/// Windows editors add, is not part of the first line.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.strip_prefix('\u{feff}').unwrap_or(text).split('\n')
}

/// Classifies one line.
pub(super) fn classify(line: &str) -> Result<IniLine<'_>, IniProblem> {
    let line = line.trim();
    if line.is_empty() || line.starts_with([';', '#']) {
        return Ok(IniLine::Blank);
    }
    if let Some(rest) = line.strip_prefix('[') {
        let (name, _) = rest.split_once(']').ok_or(IniProblem::UnclosedHeader)?;
        return Ok(IniLine::Header(name.trim()));
    }
    match line.split_once('=') {
        None => Err(IniProblem::NoEquals),
        Some(("", _)) => Err(IniProblem::NoKey),
        Some((key, value)) => Ok(IniLine::Pair(key.trim(), value.trim())),
    }
}

impl Ini {
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut ini = Self::default();
        // Line numbers of the sections seen so far.
        let mut sections = HashMap::new();
        let mut keys = HashMap::new();
        let mut current = IniSection {
            name: String::new(),
            line: 0,
            entries: Vec::new(),
        };
        for (line, text) in (1..).zip(lines(text)) {
            let error = |problem| SyntaxError { line, problem };
            match classify(text).map_err(error)? {
                IniLine::Blank => {}
                IniLine::Header(name) => {
                    if !current.entries.is_empty() {
                        sections.insert(current.name.clone(), current.line);
                        ini.sections.push(current);
                    }
                    let name = name.to_owned();
                    if let Some(&first) = sections.get(&name) {
                        return Err(error(IniProblem::DuplicateSection { name, first }));
                    }
                    keys.clear();
                    current = IniSection {
                        name,
                        line,
                        entries: Vec::new(),
                    };
                }
                IniLine::Pair(key, value) => {
                    if let Some(first) = keys.insert(key, line) {
                        let key = key.to_owned();
                        return Err(error(IniProblem::DuplicateKey { key, first }));
                    }
                    current.entries.push(IniEntry {
                        key: key.to_owned(),
                        value: value.to_owned(),
                        line,
                    });
                }
            }
        }
        if !current.entries.is_empty() {
            ini.sections.push(current);
        }
        Ok(ini)
    }

    pub(super) fn section(&self, name: &str) -> Option<&IniSection> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl IniSection {
    pub(super) fn get(&self, key: &str) -> Option<&IniEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

#[cfg(test)]
mod tests;
