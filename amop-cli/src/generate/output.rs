//! The project's folder: written completely, or left as it was.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::GenerateError;

/// A project that is written to a temporary folder and moved into place at the end.
pub(super) struct TemporaryProject {
    out: PathBuf,
    /// The temporary folder. It is removed with its content unless the project is kept.
    staging: TempDir,
    /// Whether the project's folder already exists and is empty.
    exists: bool,
}

impl TemporaryProject {
    /// Creates an empty project for a folder that must be empty or not exist.
    pub(super) fn new(out: &Path) -> Result<Self, GenerateError> {
        let out = std::path::absolute(out).map_err(|error| GenerateError::read(out, error))?;
        let exists = is_empty(&out)?;
        // On the same file system, so that the final move copies nothing.
        let place = if exists {
            out.as_path()
        } else {
            let mut above = out.ancestors().skip(1);
            above
                .find(|folder| folder.is_dir())
                .unwrap_or(out.as_path())
        };
        let staging = tempfile::Builder::new()
            .prefix(".amop-generate-")
            .tempdir_in(place)
            .map_err(|source| GenerateError::write(place, source))?;
        let output = Self {
            out,
            staging,
            exists,
        };
        // A separate folder, because only the owner can read temporary folders.
        fs::create_dir(output.project())
            .map_err(|source| GenerateError::write(&output.out, source))?;
        Ok(output)
    }

    fn project(&self) -> PathBuf {
        self.staging.path().join("project")
    }

    /// Compiles the schema in the same way as the project's build script.
    pub(super) fn check(
        &self,
        protos: &[PathBuf],
        includes: &[PathBuf],
    ) -> Result<(), GenerateError> {
        let code = self.staging.path().join("code");
        fs::create_dir(&code).map_err(|source| GenerateError::write(&self.out, source))?;
        amop_build::configure()
            .out_dir(code)
            .include_file("schema.rs")
            .emit_rerun_if_changed(false)
            .compile(protos, includes)?;
        Ok(())
    }

    /// Writes a file of the project.
    pub(super) fn write(
        &mut self,
        name: impl AsRef<Path>,
        content: impl AsRef<[u8]>,
    ) -> Result<(), GenerateError> {
        let path = self.project().join(&name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, content))
            .map_err(|source| GenerateError::write(&self.out.join(&name), source))
    }

    /// Moves the project into place.
    pub(super) fn keep(self) -> Result<(), GenerateError> {
        let placed = if self.exists {
            self.move_entries()
        } else {
            self.move_folder()
        };
        placed.map_err(|source| GenerateError::write(&self.out, source))
    }

    fn move_folder(&self) -> io::Result<()> {
        let above = self.out.parent().unwrap_or(&self.out);
        // The innermost folder first.
        let made: Vec<&Path> = above.ancestors().take_while(|of| !of.exists()).collect();
        let moved = fs::create_dir_all(above).and_then(|()| fs::rename(self.project(), &self.out));
        if moved.is_err() {
            for folder in made {
                // Folders into which others have put something stay.
                let _ = fs::remove_dir(folder);
            }
        }
        moved
    }

    /// Moves the entries instead of the folder, which may be the current one or a mount point and
    /// so cannot be replaced.
    fn move_entries(&self) -> io::Result<()> {
        let project = self.project();
        let mut moved = Vec::new();
        let all = fs::read_dir(&project)?.try_for_each(|entry| {
            let entry = entry?;
            let place = self.out.join(entry.file_name());
            fs::rename(entry.path(), &place)?;
            moved.push((entry.path(), place));
            Ok(())
        });
        if all.is_err() {
            for (from, place) in moved {
                let _ = fs::rename(place, from);
            }
        }
        all
    }
}

/// Returns whether a folder exists and is empty. A folder that is not empty is refused.
fn is_empty(out: &Path) -> Result<bool, GenerateError> {
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(GenerateError::NotEmpty {
                folder: out.to_owned(),
            }),
            None => Ok(true),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(GenerateError::read(out, error)),
    }
}
