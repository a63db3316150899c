//! Writes files so that an interrupted run leaves either nothing or a whole folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::LayoutError;

/// Hidden, so that no program mistakes a half-written folder for a node's folder.
const PREFIX: &str = ".amop-";

/// A folder that is filled under a temporary name next to its final place.
pub(super) struct Staged {
    /// Deletes the remains when a step fails.
    temporary: TempDir,
    folder: PathBuf,
}

impl Staged {
    pub(super) fn new(parent: &Path) -> Result<Self, LayoutError> {
        fs::create_dir_all(parent).map_err(|e| LayoutError::io("create", parent, e))?;
        let temporary = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .map_err(|e| LayoutError::io("create a folder in", parent, e))?;
        // The temporary folder is private; the one inside has ordinary permissions.
        let folder = temporary.path().join("new");
        fs::create_dir(&folder).map_err(|e| LayoutError::io("create", &folder, e))?;
        Ok(Self { temporary, folder })
    }

    /// Writes a file that everyone may read.
    pub(super) fn file(&self, name: &str, content: &str) -> Result<(), LayoutError> {
        self.write(name, content, &mut OpenOptions::new())
    }

    /// Writes a private key, readable only for its owner.
    pub(super) fn secret(&self, name: &str, content: &str) -> Result<(), LayoutError> {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.write(name, content, &mut options)
    }

    fn write(
        &self,
        name: &str,
        content: &str,
        options: &mut OpenOptions,
    ) -> Result<(), LayoutError> {
        let path = self.folder.join(name);
        let mut write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = options.write(true).create_new(true).open(&path)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|e| LayoutError::io("write", &path, e))
    }

    /// Moves the folder to its final place, which must not exist or be empty.
    pub(super) fn publish(self, target: &Path) -> Result<(), LayoutError> {
        // Fails, as intended, if it contains anything.
        if target.exists() {
            fs::remove_dir(target).map_err(|e| LayoutError::io("replace", target, e))?;
        }
        fs::rename(&self.folder, target).map_err(|e| LayoutError::io("create", target, e))?;
        sync_parent(target)?;
        self.temporary
            .close()
            .map_err(|e| LayoutError::io("clean up next to", target, e))
    }
}

/// Replaces or creates a file in one step; an existing file keeps its permissions.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), LayoutError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let replace = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let mut file = builder.tempfile_in(parent)?;
        if let Ok(old) = fs::metadata(path) {
            fs::set_permissions(file.path(), old.permissions())?;
        }
        file.write_all(content.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    replace().map_err(|e| LayoutError::io("write", path, e))?;
    sync_parent(path)
}

/// Makes a rename survive a power cut, on systems where folders can be synchronised.
fn sync_parent(path: &Path) -> Result<(), LayoutError> {
    if !cfg!(unix) {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| LayoutError::io("synchronise", parent, e))
}

/// Returns whether a folder is missing or empty.
pub(super) fn is_vacant(folder: &Path) -> Result<bool, LayoutError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(LayoutError::io("read", folder, e)),
    }
}

/// The largest key or certificate file that is read.
const MAX_PEM: u64 = 1 << 16;

/// Reads a PEM file.
pub(super) fn read_pem(path: &Path) -> Result<String, LayoutError> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        let file = File::open(path)?;
        io::Read::read_to_string(&mut io::Read::take(file, MAX_PEM + 1), &mut text)?;
        if text.len() as u64 > MAX_PEM {
            return Err(io::Error::other("too large for a PEM file"));
        }
        Ok(text)
    };
    read().map_err(|e| LayoutError::io("read", path, e))
}
