//! Where a replay guard keeps what it must not forget.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use fs4::{FileExt, TryLockError};

/// A place for the state of a [`Window`](crate::Window): a file, a row in a database.
///
/// It belongs to one reader at a time: a store that two of them write at once protects neither. A state
/// that is brought back from a backup lets messages be taken twice; delete it instead.
pub trait ReplayStore: Send + 'static {
    /// What was saved last; `None` if nothing was.
    ///
    /// # Errors
    ///
    /// If it cannot be read; nothing is taken then.
    fn load(&mut self) -> io::Result<Option<Vec<u8>>>;

    /// Saves a state in the place of the one before: either is there afterwards, whatever happens, and
    /// the new one once this returns, even if the machine loses its power.
    ///
    /// # Errors
    ///
    /// If it is not saved; the message that waits for it is refused then.
    fn save(&mut self, state: &[u8]) -> io::Result<()>;
}

/// A [`ReplayStore`] in a file, written anew beside it and renamed each time. A second file with `.lock`
/// behind its name is locked as long as this exists.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
}

impl FileStore {
    /// A store at `path`. Its folder must exist; the file need not.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to, or another store is at this path, in whatever process.
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
                "another reader uses it; give each its own",
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where it is.
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

/// Makes a rename in the file's folder last. Elsewhere than on Unix folders cannot be opened, and renames
/// last by themselves.
fn sync_folder(file: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
