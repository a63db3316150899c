//! Finds files in include folders and among the built-in ones, and remembers which were opened.

use super::{OPTIONS_PROTO, OPTIONS_PROTO_NAME};
use protox::{
    Error,
    file::{File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};
use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
};

/// The files that were opened, with the names they have among protobuf files.
#[derive(Clone, Default)]
pub(super) struct Opened(Rc<RefCell<Vec<(String, PathBuf)>>>);

impl Opened {
    fn add(&self, name: &str, path: PathBuf) {
        let mut files = self.0.borrow_mut();
        if !files.iter().any(|(known, _)| known == name) {
            files.push((name.to_owned(), path));
        }
    }

    /// The path of the file with that name; the name itself if the file is built in.
    pub(super) fn path_of(&self, name: &str) -> String {
        let files = self.0.borrow();
        match files.iter().find(|(known, _)| known == name) {
            Some((_, path)) => path.display().to_string(),
            None => name.to_owned(),
        }
    }

    pub(super) fn sources(&self) -> Vec<PathBuf> {
        self.0
            .borrow()
            .iter()
            .map(|(_, path)| path.clone())
            .collect()
    }
}

pub(super) struct Resolver {
    includes: Vec<(PathBuf, IncludeFileResolver)>,
    google: GoogleFileResolver,
    opened: Opened,
}

impl Resolver {
    pub(super) fn new<'a>(includes: impl Iterator<Item = &'a Path>, opened: Opened) -> Self {
        Self {
            includes: includes
                .map(|dir| (dir.to_owned(), IncludeFileResolver::new(dir.to_owned())))
                .collect(),
            google: GoogleFileResolver::new(),
            opened,
        }
    }
}

impl FileResolver for Resolver {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        self.includes
            .iter()
            .find_map(|(_, include)| include.resolve_path(path))
    }

    fn open_file(&self, name: &str) -> Result<File, Error> {
        // Before any include folder: a copy there, made for other compilers, may be out of date.
        if name == OPTIONS_PROTO_NAME {
            return File::from_source(name, OPTIONS_PROTO);
        }
        for (dir, include) in &self.includes {
            match include.open_file(name) {
                Err(error) if error.is_file_not_found() => {}
                // Those that have syntax errors were read as well.
                result => {
                    self.opened.add(name, dir.join(name));
                    return result;
                }
            }
        }
        self.google.open_file(name)
    }
}
