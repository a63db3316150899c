//! Layouts on disk.

mod again;
mod fresh;
mod refusals;
mod v3;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amop_node::config::{CertPaths, ChainVersion, ConfigError, NodeConfig};
use amop_node::layout::{DevnetLayout, DevnetNode, DevnetSpec, LayoutError, write_devnet};
use amop_tls::pki::public_key;
use amop_tls::rustls::pki_types::UnixTime;
use amop_tls::{Identity, Mode};
use tempfile::TempDir;

fn ec(dir: &TempDir, nodes: u16) -> DevnetSpec {
    DevnetSpec::new(dir.path(), nodes)
}

fn rsa(dir: &TempDir, nodes: u16) -> DevnetSpec {
    let mut spec = ec(dir, nodes);
    spec.rsa = true;
    spec
}

fn write(spec: &DevnetSpec) -> DevnetLayout {
    write_devnet(spec).unwrap()
}

#[track_caller]
fn refused(spec: &DevnetSpec) -> LayoutError {
    let before = snapshot(&spec.dir);
    let error = write_devnet(spec).unwrap_err();
    assert_eq!(snapshot(&spec.dir), before, "a refused call changed files");
    error
}

/// Returns all files below a folder with their content, by relative path.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn names(dir: &TempDir) -> Vec<String> {
    let name = |path: &PathBuf| path.to_str().unwrap().replace('\\', "/");
    snapshot(dir.path()).keys().map(name).collect()
}

fn config(node: &DevnetNode) -> NodeConfig {
    let (config, warnings) = NodeConfig::from_ini_file(&node.config).unwrap();
    assert_eq!(warnings, []);
    config
}

fn peers(node: &DevnetNode) -> Vec<String> {
    config(node).peers.iter().map(ToString::to_string).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
