//! Finds files in include folders and among the built-in files, and remembers which were opened.

use super::{OPTIONS_PROTO, OPTIONS_PROTO_NAME};
use crate::SchemaErrorKind;
use protox::{
    Error,
    file::{File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};
use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

/// The files that were opened, with their names in imports.
#[derive(Clone, Default)]
pub(super) struct OpenedFiles(
    Rc<RefCell<Vec<(String, PathBuf)>>>,
    Rc<RefCell<Vec<PathBuf>>>,
);

impl OpenedFiles {
    fn add(&self, name: &str, path: PathBuf) {
        let mut files = self.0.borrow_mut();
        if !files.iter().any(|(known, _)| known == name) {
            files.push((name.to_owned(), path));
        }
    }

    /// Returns the path of the file with this name, or the name itself if the file is built in.
    pub(super) fn path_of(&self, name: &str) -> String {
        let files = self.0.borrow();
        match files.iter().find(|(known, _)| known == name) {
            Some((_, path)) => path.display().to_string(),
            None => name.to_owned(),
        }
    }

    pub(super) fn sources(&self) -> Vec<(String, PathBuf)> {
        self.0.borrow().clone()
    }

    /// Returns the folders that were searched before a file was found.
    pub(super) fn shadowing(&self) -> Vec<PathBuf> {
        self.1.borrow().clone()
    }

    /// Records that an include folder does not have a file: stores the nearest existing folder in
    /// which the file would appear.
    fn missed(&self, include: &Path, name: &str) {
        let place = include.join(name);
        let folders = place.ancestors().skip(1);
        let below = folders.take_while(|folder| folder.starts_with(include));
        let mut known = self.1.borrow_mut();
        if let Some(folder) = below.into_iter().find(|folder| folder.is_dir())
            && !known.iter().any(|known| known == folder)
        {
            known.push(folder.to_owned());
        }
    }
}

pub(super) struct Resolver {
    includes: Vec<(PathBuf, IncludeFileResolver)>,
    google: GoogleFileResolver,
    opened: OpenedFiles,
}

impl Resolver {
    pub(super) fn new<'a>(includes: impl Iterator<Item = &'a Path>, opened: OpenedFiles) -> Self {
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
        // Before any include folder: a copy there, for other compilers, may be out of date.
        if name == OPTIONS_PROTO_NAME {
            return File::from_source(name, OPTIONS_PROTO);
        }
        // Google's files as well, since prost has types for the built-in versions.
        if is_googles(name) {
            return self.google.open_file(name);
        }
        for (at, (dir, include)) in self.includes.iter().enumerate() {
            match include.open_file(name) {
                Err(error) if error.is_file_not_found() => {}
                // Files with syntax errors were read as well.
                result => {
                    self.opened.add(name, dir.join(name));
                    for (earlier, _) in &self.includes[..at] {
                        self.opened.missed(earlier, name);
                    }
                    return without_mark(result, name, &dir.join(name));
                }
            }
        }
        Err(Error::file_not_found(name))
    }
}

/// Returns whether a file is built in because every protobuf compiler has it.
fn is_googles(name: &str) -> bool {
    name.starts_with("google/protobuf/") && GoogleFileResolver::new().open_file(name).is_ok()
}

/// Removes the byte order mark, which editors on Windows write and the compiler does not know.
fn without_mark(read: Result<File, Error>, name: &str, path: &Path) -> Result<File, Error> {
    let text = || fs::read_to_string(path).ok();
    match read {
        Err(error) => match text()
            .as_deref()
            .and_then(|text| text.strip_prefix('\u{feff}'))
        {
            Some(text) => File::from_source(name, text),
            None => Err(error),
        },
        read => read,
    }
}

/// Returns the mistake of a file that is not in any include folder, if the file exists at all.
pub(super) fn nowhere(file: &Path, includes: &[impl AsRef<Path>]) -> Option<SchemaErrorKind> {
    let plain = file.to_string_lossy();
    let mut places = includes.iter().map(|include| include.as_ref().join(file));
    let is_named = file.is_relative() && places.any(|place| place.is_file());
    if is_named || plain == OPTIONS_PROTO_NAME || is_googles(&plain) {
        return None;
    }
    let Ok(own) = fs::canonicalize(file) else {
        return Some(SchemaErrorKind::Missing {
            file: plain.into_owned(),
        });
    };
    let folders = includes.iter().filter_map(|of| fs::canonicalize(of).ok());
    let mut folders = folders.filter(|folder| own.starts_with(folder));
    folders.next().is_none().then(|| SchemaErrorKind::Outside {
        file: plain.into_owned(),
    })
}

/// Returns the mistake of a file that cannot be read by its name, because another file has the same
/// name.
pub(super) fn shadowed(file: &Path, includes: &[impl AsRef<Path>]) -> Option<SchemaErrorKind> {
    let own = fs::canonicalize(file).ok()?;
    let mut names = includes.iter().filter_map(|include| {
        let include = fs::canonicalize(include.as_ref()).ok()?;
        own.strip_prefix(include).ok().map(Path::to_owned)
    });
    let name = names.next()?;
    // Copies of built-in files, for other compilers, are not a mistake.
    let plain = name.to_string_lossy();
    if plain == OPTIONS_PROTO_NAME || is_googles(&plain) {
        return None;
    }
    let mut places = includes.iter().map(|include| include.as_ref().join(&name));
    let read = places.find(|place| place.is_file())?;
    (fs::canonicalize(&read).ok()? != own).then(|| SchemaErrorKind::Shadowed {
        file: file.display().to_string(),
        name: name.display().to_string(),
        other: read.display().to_string(),
    })
}
