//! The store of a replay guard's state.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use fs4::{FileExt, TryLockError};

/// A place for the state of a [`ReplayWindow`](crate::ReplayWindow), such as a file or a row in a
/// database.
///
/// It belongs to one reader at a time: a store that two readers write protects neither of them. A
/// state that is restored from a backup makes it possible to accept messages twice; delete it
/// instead.
pub trait ReplayStore: Send + 'static {
    /// Returns the state that was saved last; `None` if no state was saved.
    ///
    /// # Errors
    ///
    /// If the state cannot be read; no message is accepted then.
    fn load(&mut self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the saved state. Even if the machine loses power, either the old or the new state
    /// is there afterwards, and the new one once this function has returned.
    ///
    /// # Errors
    ///
    /// If the state is not saved; the message that waits for it is refused then.
    fn save(&mut self, state: &[u8]) -> io::Result<()>;
}

/// A [`ReplayStore`] in a file. Each save writes a new file next to it and renames it. A second
/// file with the suffix `.lock` is locked while this value exists.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    /// The lock file, which is unlocked when it is closed.
    _lock: File,
}

impl FileStore {
    /// Opens a store at `path`. Its folder must exist; the file need not.
    ///
    /// # Errors
    ///
    /// If the folder is not writable, or another store, in any process, uses this path.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let lock = beside(&path, ".lock");
        let lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(lock)?;
        match FileExt::try_lock(&lock) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another reader uses it; give each reader its own",
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl ReplayStore for FileStore {
    fn load(&mut self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&mut self, state: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(state)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)
    }
}

/// Makes a rename in the file's folder durable. On systems other than Unix folders cannot be
/// opened, and renames are durable without this.
fn sync_folder(file: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
