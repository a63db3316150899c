//! Finds files of a crate that import each other, directly or through others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::source::Module;

/// The module tree of a crate.
struct Tree {
    modules: Vec<Node>,
}

struct Node {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    source: Module,
}

/// What a path names.
#[derive(Clone, Copy, PartialEq)]
enum Named {
    Module(usize),
    /// An item of this module.
    ItemOf(usize),
}

impl Tree {
    fn read(root: &Path) -> Self {
        let mut tree = Self {
            modules: Vec::new(),
        };
        let folder = root.parent().unwrap_or(root).to_owned();
        tree.add(root.to_owned(), &folder, 0, Module::read(&text(root)));
        tree
    }

    /// Adds a module whose submodules are in `folder`.
    fn add(&mut self, file: PathBuf, folder: &Path, parent: usize, mut source: Module) -> usize {
        let files = std::mem::take(&mut source.files);
        let inline = std::mem::take(&mut source.inline);
        let at = self.modules.len();
        let here = file.clone();
        self.modules.push(Node {
            file,
            parent,
            children: BTreeMap::new(),
            source,
        });
        for name in files {
            let inside = folder.join(&name);
            let flat = inside.with_extension("rs");
            let file = if flat.exists() {
                flat
            } else {
                inside.join("mod.rs")
            };
            // A module whose file is named by an attribute is left out.
            if !file.exists() {
                continue;
            }
            let module = Module::read(&text(&file));
            let child = self.add(file, &inside, at, module);
            self.modules[at].children.insert(name, child);
        }
        for (name, module) in inline {
            let child = self.add(here.clone(), &folder.join(&name), at, module);
            self.modules[at].children.insert(name, child);
        }
        at
    }

    /// Returns what a path in a module names; `None` for names of other crates and of the language.
    fn resolve(&self, module: usize, path: &[String], steps: usize) -> Option<Named> {
        // Re-exports may go round in a circle.
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let mut at = match &**first {
            "crate" => Named::Module(0),
            "self" => Named::Module(module),
            "super" => Named::Module(self.modules[module].parent),
            _ => self.member(module, first, steps)?,
        };
        for name in rest {
            let Named::Module(inside) = at else {
                // A variant, or an associated item.
                return Some(at);
            };
            at = match &**name {
                "super" => Named::Module(self.modules[inside].parent),
                "self" => at,
                _ => self
                    .member(inside, name, steps)
                    .unwrap_or(Named::ItemOf(inside)),
            };
        }
        Some(at)
    }

    /// Returns what a name in a module names.
    fn member(&self, module: usize, name: &str, steps: usize) -> Option<Named> {
        let node = &self.modules[module];
        if let Some(&child) = node.children.get(name) {
            return Some(Named::Module(child));
        }
        if node.source.items.iter().any(|item| item == name) {
            return Some(Named::ItemOf(module));
        }
        let uses = node.source.uses.iter();
        if let Some(one) = uses.clone().find(|one| one.name == name) {
            return match &one.path[..] {
                // A name of another crate.
                [path] if path == name => None,
                path => self.resolve(module, path, steps),
            };
        }
        uses.filter(|one| one.name == "*").find_map(|one| {
            match self.resolve(module, &one.path, steps)? {
                Named::Module(inside) if inside != module => self.member(inside, name, steps),
                _ => None,
            }
        })
    }

    /// Returns the files that each file imports from.
    fn imports(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut imports: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for (at, node) in self.modules.iter().enumerate() {
            let own = &*node.file;
            let found = imports.entry(own).or_default();
            let code = &node.source.paths;
            let uses = node.source.uses.iter().filter(|one| {
                // A file that only passes a name on does not depend on it.
                !one.is_public || code.iter().any(|path| path[0] == one.name)
            });
            let long = code.iter().filter(|path| path.len() > 1);
            for path in uses.map(|one| &one.path).chain(long) {
                if let Some(Named::ItemOf(module)) = self.resolve(at, path, 64) {
                    let file = &*self.modules[module].file;
                    if file != own {
                        found.insert(file);
                    }
                }
            }
        }
        imports
    }
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Returns the groups of files that import each other, in the crate with this root file.
pub(super) fn rings(root: &Path) -> Vec<BTreeSet<PathBuf>> {
    let tree = Tree::read(root);
    let imports = tree.imports();
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = imports
        .keys()
        .map(|&file| (file, reachable(file, &imports)))
        .collect();
    let mut rings: BTreeSet<BTreeSet<PathBuf>> = BTreeSet::new();
    for (&file, from) in &reach {
        if from.contains(file) {
            let ring = from.iter().filter(|&other| reach[other].contains(file));
            rings.insert(ring.map(|&other| other.to_owned()).collect());
        }
    }
    rings.into_iter().collect()
}

fn reachable<'a>(
    from: &Path,
    imports: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&'a Path> = imports[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(&imports[file]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_found_through_what_others_pass_on() {
        let folder = std::env::temp_dir().join(format!("amop-rooms-{}", std::process::id()));
        fs::create_dir_all(folder.join("a")).unwrap();
        let files = [
            ("lib.rs", "mod a; mod d; pub use a::b::B;"),
            ("a.rs", "pub mod b; mod c; pub use c::C;"),
            ("a/b.rs", "use super::C; pub struct B(C);"),
            ("a/c.rs", "pub struct C; fn f() { crate::B::g() }"),
            ("d.rs", "use crate::a::*; fn f(_: b::B, _: C) {}"),
        ];
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let found = rings(&folder.join("lib.rs"));
        fs::remove_dir_all(&folder).unwrap();
        let ring = BTreeSet::from(["a/b.rs", "a/c.rs"].map(|file| folder.join(file)));
        assert_eq!(found, [ring]);
    }
}
