//! The types that the files declare, by name.

use std::collections::HashMap;
use syn::{Item, ItemEnum, ItemStruct, ItemType, Type};

/// The types of all files. Modules are not told apart: a name is looked up in its own file first,
/// and in the others if only one of them has it.
#[derive(Default)]
pub(super) struct Index {
    items: Vec<(usize, Item)>,
    by_name: HashMap<String, Vec<usize>>,
}

/// A type that the files declare.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    Struct(&'a ItemStruct),
    Enum(&'a ItemEnum),
    Alias(&'a ItemType),
}

impl Index {
    /// Adds the items of a file, those of its inline modules included.
    pub(super) fn add(&mut self, file: usize, items: Vec<Item>) {
        for item in items {
            let name = match &item {
                Item::Struct(item) => item.ident.to_string(),
                Item::Enum(item) => item.ident.to_string(),
                Item::Type(item) => item.ident.to_string(),
                Item::Mod(_) => {
                    if let Item::Mod(module) = item {
                        let inner = module.content.map(|(_, items)| items);
                        self.add(file, inner.unwrap_or_default());
                    }
                    continue;
                }
                _ => continue,
            };
            self.by_name.entry(name).or_default().push(self.items.len());
            self.items.push((file, item));
        }
    }

    /// All structs with the file they are in.
    pub(super) fn structs(&self) -> impl Iterator<Item = (usize, &ItemStruct)> {
        self.items.iter().filter_map(|(file, item)| match item {
            Item::Struct(item) => Some((*file, item)),
            _ => None,
        })
    }

    /// The type of that name, as seen from a file, and the file that it is in.
    pub(super) fn get(&self, file: usize, name: &str) -> Option<(usize, Found<'_>)> {
        let all = self.by_name.get(name)?;
        let own: Vec<_> = all.iter().filter(|&&i| self.items[i].0 == file).collect();
        let found = match (own.as_slice(), all.as_slice()) {
            ([only], _) => **only,
            ([], [only]) => *only,
            _ => return None,
        };
        let (file, item) = &self.items[found];
        let item = match item {
            Item::Struct(item) => Found::Struct(item),
            Item::Enum(item) => Found::Enum(item),
            Item::Type(item) => Found::Alias(item),
            _ => return None,
        };
        Some((*file, item))
    }

    /// The declaration of a type that is a path, unless it is the standard library's.
    pub(super) fn of_type(&self, file: usize, ty: &Type) -> Option<(usize, Found<'_>)> {
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
        self.get(file, &path.path.segments.last()?.ident.to_string())
    }
}
