//! Generated projects in one workspace, so that their dependencies are built once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A workspace of projects, in a temporary folder.
pub(crate) struct Workspace {
    pub(crate) dir: TempDir,
    members: Vec<String>,
}

impl Workspace {
    /// Creates a workspace for these projects, which are written later.
    pub(crate) fn new(members: &[&str]) -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            members: members.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Returns the folder of a project.
    pub(crate) fn member(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn cargo(&self, args: &[&str]) {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .current_dir(self.dir.path())
            .env("CARGO_TARGET_DIR", target())
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo {args:?}: {errors}");
    }

    /// Makes the projects members: each was written as a separate workspace.
    pub(crate) fn write_manifest(&self) {
        for member in &self.members {
            let path = self.member(member).join("Cargo.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("[workspace]\n", "")).unwrap();
        }
        let crates = ["amop", "amop-build"];
        let patch = crates.map(|name| format!("{name} = {{ path = {:?} }}\n", root().join(name)));
        let text = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {:?}\n\n[patch.crates-io]\n{}\n\
             [profile.dev]\ndebug = false\n",
            self.members,
            patch.concat(),
        );
        fs::write(self.dir.path().join("Cargo.toml"), text).unwrap();
        // With the same versions as this workspace, nothing is downloaded.
        let lock = self.dir.path().join("Cargo.lock");
        fs::copy(root().join("Cargo.lock"), lock).unwrap();
    }

    /// Builds these programs of a project. Programs of other projects may have the same names.
    pub(crate) fn build(&self, member: &str, programs: &[&str]) {
        let mut args = vec!["build", "--offline", "-p", member];
        args.extend(programs.iter().flat_map(|name| ["--bin", name]));
        self.cargo(&args);
        let bin = self.dir.path().join("bin").join(member);
        fs::create_dir_all(&bin).unwrap();
        for program in programs {
            let name = format!("{program}{}", env::consts::EXE_SUFFIX);
            fs::copy(target().join("debug").join(&name), bin.join(&name)).unwrap();
        }
    }

    pub(crate) fn program(&self, member: &str, name: &str) -> PathBuf {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.dir.path().join("bin").join(member).join(name)
    }
}

fn target() -> PathBuf {
    root().join("target/generated")
}
