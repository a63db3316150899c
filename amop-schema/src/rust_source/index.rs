//! The types that the files declare, by name and module.

use super::conditions;
use std::collections::HashMap;
use syn::{
    Item, ItemEnum, ItemMod, ItemStruct, ItemType, ItemUse, Type, UseTree,
    visit::{self, Visit},
};

/// The types of all files. A name is looked up first in its own module, then in the enclosing ones,
/// then in its file, and then in all files, if only one type there has it.
#[derive(Default)]
pub(super) struct Index {
    scopes: Vec<Scope>,
    items: Vec<(usize, Item)>,
    by_name: HashMap<String, Vec<usize>>,
}

/// A file, a module in it, or a function with items.
struct Scope {
    file: usize,
    outer: Option<usize>,
    name: Option<String>,
    /// The names of the attribute `topic` and the crate `amop` after its imports.
    topics: Vec<String>,
    crates: Vec<String>,
}

/// A type that the files declare.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    Struct(&'a ItemStruct),
    Enum(&'a ItemEnum),
    Alias(&'a ItemType),
}

impl Index {
    /// Adds the items of a file, including its inline modules and functions. Code that is only for
    /// tests is left out.
    pub(super) fn add(&mut self, file: usize, items: &[Item]) {
        let mut collector = Collector {
            scope: self.scope(file, None, None),
            index: self,
        };
        for item in items {
            collector.visit_item(item);
        }
    }

    fn scope(&mut self, file: usize, outer: Option<usize>, name: Option<String>) -> usize {
        self.scopes.push(Scope {
            file,
            outer,
            name,
            topics: Vec::new(),
            crates: Vec::new(),
        });
        self.scopes.len() - 1
    }

    /// Returns the file of a scope.
    pub(super) fn file(&self, scope: usize) -> usize {
        self.scopes[scope].file
    }

    /// Returns a scope and the scopes around it.
    fn outwards(&self, scope: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(scope), |&scope| self.scopes[scope].outer)
    }

    /// Returns whether the attribute `topic` has this name in a scope.
    pub(super) fn is_topic(&self, scope: usize, name: &str) -> bool {
        name == "topic"
            || self
                .outwards(scope)
                .any(|scope| self.scopes[scope].topics.iter().any(|it| it == name))
    }

    /// Returns whether the crate `amop` has this name in a scope.
    pub(super) fn is_crate(&self, scope: usize, name: &str) -> bool {
        name == "amop"
            || self
                .outwards(scope)
                .any(|scope| self.scopes[scope].crates.iter().any(|it| it == name))
    }

    /// Returns all structs with their scopes.
    pub(super) fn structs(&self) -> impl Iterator<Item = (usize, &ItemStruct)> {
        self.items.iter().filter_map(|(scope, item)| match item {
            Item::Struct(item) => Some((*scope, item)),
            _ => None,
        })
    }

    /// Returns the type with this name, as seen from a scope, and its scope.
    pub(super) fn get(&self, scope: usize, name: &str) -> Option<(usize, Found<'_>)> {
        let all = self.by_name.get(name)?;
        let only = |is_near: &dyn Fn(usize) -> bool| {
            let mut near = all.iter().filter(|&&item| is_near(self.items[item].0));
            match (near.next(), near.next()) {
                (Some(only), None) => Some(Some(*only)),
                (Some(_), Some(_)) => Some(None),
                (None, _) => None,
            }
        };
        let own = self
            .outwards(scope)
            .find_map(|outer| only(&|scope| scope == outer));
        let file = self.file(scope);
        let found = own
            .or_else(|| only(&|scope| self.file(scope) == file))
            .or_else(|| only(&|_| true))??;
        let (scope, item) = &self.items[found];
        let item = match item {
            Item::Struct(item) => Found::Struct(item),
            Item::Enum(item) => Found::Enum(item),
            Item::Type(item) => Found::Alias(item),
            _ => return None,
        };
        Some((*scope, item))
    }

    /// Returns the type at the end of a path, in the last module of the path if the files have this
    /// module.
    pub(super) fn get_path(&self, scope: usize, path: &str) -> Option<(usize, Found<'_>)> {
        let mut parts = path.rsplit("::").map(str::trim);
        let name = parts.next()?;
        let module = parts.next().unwrap_or_default();
        let named = |scope: usize| self.scopes[scope].name.as_deref() == Some(module);
        let all = self.by_name.get(name)?;
        let mut inside = all
            .iter()
            .map(|&item| self.items[item].0)
            .filter(|&scope| named(scope));
        match (inside.next(), inside.next()) {
            (Some(only), None) => self.get(only, name),
            _ => self.get(scope, name),
        }
    }

    /// Returns the declaration of a type that is a path, unless it is a type of the standard
    /// library.
    pub(super) fn of_type(&self, scope: usize, ty: &Type) -> Option<(usize, Found<'_>)> {
        let Type::Path(path) = ty else {
            return None;
        };
        let first = path.path.segments.first()?;
        if path.qself.is_some()
            || ["std", "core", "alloc"]
                .iter()
                .any(|name| first.ident == name)
        {
            return None;
        }
        let names = path.path.segments.iter().map(|it| it.ident.to_string());
        self.get_path(scope, &names.collect::<Vec<_>>().join("::"))
    }
}

/// A visitor that collects the items of a file.
struct Collector<'a> {
    index: &'a mut Index,
    scope: usize,
}

impl Collector<'_> {
    fn declare(&mut self, name: String, item: Item) {
        let at = self.index.items.len();
        self.index.by_name.entry(name).or_default().push(at);
        self.index.items.push((self.scope, item));
    }

    /// Continues in a new scope.
    fn within(&mut self, name: Option<String>, walk: impl FnOnce(&mut Self)) {
        let outer = self.scope;
        let file = self.index.file(outer);
        self.scope = self.index.scope(file, Some(outer), name);
        walk(self);
        self.scope = outer;
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(item) => {
                let mut item = item.clone();
                if conditions::apply(&mut item.attrs) {
                    conditions::of_fields(&mut item.fields);
                    self.declare(item.ident.to_string(), Item::Struct(item));
                }
            }
            Item::Enum(item) => {
                let mut item = item.clone();
                if conditions::apply(&mut item.attrs) {
                    conditions::of_variants(&mut item);
                    self.declare(item.ident.to_string(), Item::Enum(item));
                }
            }
            Item::Type(item) if conditions::is_possible(&item.attrs) => {
                self.declare(item.ident.to_string(), Item::Type(item.clone()));
            }
            Item::Mod(item) if conditions::is_possible(&item.attrs) => {
                self.within(Some(item.ident.to_string()), |this| {
                    this.visit_item_mod(item)
                });
            }
            Item::Use(item) => self.visit_item_use(item),
            Item::Fn(of) if conditions::is_possible(&of.attrs) => {
                self.within(None, |this| visit::visit_item(this, item));
            }
            Item::Impl(of) if conditions::is_possible(&of.attrs) => {
                self.within(None, |this| visit::visit_item(this, item));
            }
            Item::Trait(_) | Item::Const(_) | Item::Static(_) => {
                self.within(None, |this| visit::visit_item(this, item));
            }
            _ => {}
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        for item in module.content.iter().flat_map(|(_, items)| items) {
            self.visit_item(item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let scope = &mut self.index.scopes[self.scope];
        imports(&item.tree, &mut Vec::new(), scope);
    }
}

/// Records the names of the attribute and its crate.
fn imports(tree: &UseTree, path: &mut Vec<String>, scope: &mut Scope) {
    let mut note = |path: &[String], name: String| match path {
        [krate] if krate == "amop" => scope.crates.push(name),
        [krate, item] if krate == "amop" && item == "topic" => scope.topics.push(name),
        [krate, item] if krate == "amop" && item == "self" => scope.crates.push(name),
        _ => {}
    };
    match tree {
        UseTree::Path(of) => {
            path.push(of.ident.to_string());
            imports(&of.tree, path, scope);
            path.pop();
        }
        UseTree::Rename(of) => {
            let path = [&path[..], &[of.ident.to_string()]].concat();
            note(&path, of.rename.to_string());
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                imports(tree, path, scope);
            }
        }
        UseTree::Name(_) | UseTree::Glob(_) => {}
    }
}
