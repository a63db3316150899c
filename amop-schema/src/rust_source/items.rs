//! The JSON Schema of declared structs and enums, with serde's representations.

use super::{
    attrs,
    case::Case,
    serde_attr::Serde,
    types::{RustSchemas, unknown},
};
use crate::asyncapi::describe;
use serde_json::{Map, Value, json};
use syn::{Attribute, Fields, ItemEnum, ItemStruct, Type, Variant, ext::IdentExt};

impl RustSchemas<'_> {
    /// Returns the schema of a struct.
    pub(super) fn structure(&mut self, file: usize, item: &ItemStruct) -> Value {
        let serde = Serde::of(&item.attrs);
        let schema = if serde.custom {
            json!({ "x-rust-type": item.ident.to_string() })
        } else {
            self.fields(file, &item.fields, &serde, serde.rename_all)
        };
        documented(schema, &item.attrs)
    }

    /// Returns the schema of an enum.
    pub(super) fn enumeration(&mut self, file: usize, item: &ItemEnum) -> Value {
        let serde = Serde::of(&item.attrs);
        let schema = if serde.custom {
            json!({ "x-rust-type": item.ident.to_string() })
        } else {
            self.variants(file, item, &serde)
        };
        documented(schema, &item.attrs)
    }

    fn variants(&mut self, file: usize, item: &ItemEnum, serde: &Serde) -> Value {
        let mut names = Vec::new();
        let mut choices = Vec::new();
        for variant in &item.variants {
            let own = Serde::of(&variant.attrs);
            if own.skip {
                continue;
            }
            let plain = variant.ident.unraw().to_string();
            let name = own
                .rename
                .clone()
                .unwrap_or_else(|| match serde.rename_all {
                    Some(case) => case.variant(&plain),
                    None => plain,
                });
            let external = serde.tag.is_none() && !serde.untagged && !own.untagged;
            if external && matches!(variant.fields, Fields::Unit) && !own.custom {
                names.push(name);
            } else {
                choices.push(self.variant(file, variant, &name, serde, &own));
            }
        }
        if !names.is_empty() {
            choices.insert(0, json!({ "type": "string", "enum": names }));
        }
        match choices.len() {
            // An enum without variants has no values.
            0 => json!({ "not": {} }),
            1 => choices.remove(0),
            _ if serde.untagged => json!({ "anyOf": choices }),
            _ => json!({ "oneOf": choices }),
        }
    }

    fn variant(
        &mut self,
        file: usize,
        variant: &Variant,
        name: &str,
        serde: &Serde,
        own: &Serde,
    ) -> Value {
        let case = own.rename_all.or(serde.rename_all_fields);
        let unit = matches!(variant.fields, Fields::Unit);
        let content = if own.custom {
            json!({ "x-rust-type": variant.ident.to_string() })
        } else {
            self.fields(file, &variant.fields, own, case)
        };
        let schema = match (&serde.tag, &serde.content) {
            _ if serde.untagged || own.untagged => content,
            (Some(tag), Some(key)) if !unit => json!({
                "type": "object",
                "properties": { tag: { "const": name }, key: content },
                "required": [tag, key],
            }),
            (Some(tag), _) => {
                let tagged = json!({
                    "type": "object",
                    "properties": { tag: { "const": name } },
                    "required": [tag],
                });
                if unit {
                    tagged
                } else {
                    json!({ "allOf": [tagged, content] })
                }
            }
            (None, _) => json!({
                "type": "object",
                "properties": { name: content },
                "required": [name],
                "additionalProperties": false,
            }),
        };
        documented(schema, &variant.attrs)
    }

    fn fields(&mut self, file: usize, fields: &Fields, serde: &Serde, case: Option<Case>) -> Value {
        match fields {
            Fields::Unit => json!({ "type": "null" }),
            Fields::Unnamed(fields) => {
                let kept: Vec<_> = fields
                    .unnamed
                    .iter()
                    .filter(|field| !Serde::of(&field.attrs).skip)
                    .collect();
                let mut items: Vec<_> = kept
                    .iter()
                    .map(|field| self.field(file, &field.ty, &field.attrs))
                    .collect();
                if fields.unnamed.len() == 1 || serde.transparent {
                    items.pop().unwrap_or_else(|| json!({ "type": "null" }))
                } else {
                    self.tuple(items)
                }
            }
            Fields::Named(fields) => {
                let kept: Vec<_> = fields
                    .named
                    .iter()
                    .map(|field| (field, Serde::of(&field.attrs)))
                    .filter(|(_, own)| !own.skip)
                    .collect();
                if let ([(field, _)], true) = (kept.as_slice(), serde.transparent) {
                    return self.field(file, &field.ty, &field.attrs);
                }
                self.object(file, &kept, serde, case)
            }
        }
    }

    fn object(
        &mut self,
        file: usize,
        fields: &[(&syn::Field, Serde)],
        serde: &Serde,
        case: Option<Case>,
    ) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut flattened = Vec::new();
        for (field, own) in fields {
            let schema = self.field(file, &field.ty, &field.attrs);
            if own.flatten {
                flattened.push(schema);
                continue;
            }
            let plain = field
                .ident
                .as_ref()
                .map(|ident| ident.unraw().to_string())
                .unwrap_or_default();
            let name = own.rename.clone().unwrap_or_else(|| match case {
                Some(case) => case.field(&plain),
                None => plain,
            });
            // Serde reads a missing `Option` as `None`, unless user code reads the field.
            let optional = own.default || serde.default || is_option(&field.ty) && !own.custom;
            if !optional {
                required.push(name.clone());
            }
            properties.insert(name, schema);
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if !flattened.is_empty() {
            schema["allOf"] = json!(flattened);
        } else if serde.deny_unknown_fields {
            schema["additionalProperties"] = json!(false);
        }
        schema
    }

    fn field(&mut self, file: usize, ty: &Type, attrs: &[Attribute]) -> Value {
        let schema = if Serde::of(attrs).custom {
            unknown(ty)
        } else {
            self.of(file, ty)
        };
        documented(schema, attrs)
    }
}

fn documented(schema: Value, attrs: &[Attribute]) -> Value {
    match attrs::doc(attrs) {
        Some(doc) => describe(schema, &doc),
        None => schema,
    }
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| last.ident == "Option")
        }
        Type::Group(group) => is_option(&group.elem),
        _ => false,
    }
}
