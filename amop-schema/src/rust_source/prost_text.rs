//! Writes prost messages as the text of one `.proto` file, from their `#[prost(...)]` attributes.
//!
//! Types and enum values have the names of the Rust code, which may differ from those in the
//! `.proto` file that prost used; names do not appear on the wire.

use super::{
    attrs,
    case::Case,
    index::{Found, Index},
    prost_attr::{Label, Prost},
    types,
};
use crate::asyncapi::{PayloadSchema, ROOT_MARK};
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Expr, Field, Fields, ItemEnum, ItemStruct, Lit, Type, UnOp, ext::IdentExt, spanned::Spanned,
};

/// Returns the message and all types that it uses.
pub(super) fn content(index: &Index, file: usize, item: &ItemStruct) -> syn::Result<PayloadSchema> {
    let mut text = ProtoSource {
        index,
        proto2: false,
        imports: BTreeSet::new(),
        names: BTreeMap::new(),
        values: BTreeMap::new(),
        root: String::new(),
        queue: Vec::new(),
    };
    let message = text.declared(file, &item.ident.unraw().to_string());
    text.root.clone_from(&message);
    let mut blocks: Vec<Vec<ProtoLine>> = Vec::new();
    while let Some((file, name, found)) = text.queue.pop() {
        blocks.push(match found {
            Found::Struct(item) => text.message(file, item, &name)?,
            Found::Enum(item) => text.enumeration(item, &name)?,
            Found::Alias(item) => {
                return Err(syn::Error::new(
                    item.span(),
                    "prost messages cannot be read through an alias: name the type itself",
                ));
            }
        });
    }
    // The main message comes first.
    blocks[1..].sort_by(|a, b| a[..1].cmp(&b[..1]));
    blocks[0].insert(0, ProtoLine::Plain(ROOT_MARK.to_owned()));

    let syntax = if text.proto2 { "proto2" } else { "proto3" };
    let mut written = format!("syntax = \"{syntax}\";\n");
    if !text.imports.is_empty() {
        written.push('\n');
    }
    for import in &text.imports {
        written.push_str(&format!("import \"{import}\";\n"));
    }
    for block in blocks {
        written.push('\n');
        for line in block {
            written.push_str(&line.write(text.proto2));
            written.push('\n');
        }
    }
    Ok(PayloadSchema::Protobuf {
        text: written,
        version: if text.proto2 { 2 } else { 3 },
        message,
    })
}

/// A line, whose form may depend on the syntax that is found to be needed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ProtoLine {
    Plain(String),
    Field {
        indent: &'static str,
        /// `None` for members of a oneof and maps.
        label: Option<Label>,
        /// The type, the name and the number.
        declaration: String,
        packed: Option<bool>,
        default: Option<String>,
    },
}

impl ProtoLine {
    fn write(&self, proto2: bool) -> String {
        match self {
            Self::Plain(line) => line.clone(),
            Self::Field {
                indent,
                label,
                declaration,
                packed,
                default,
            } => {
                let label = match label {
                    None => "",
                    Some(Label::Repeated) => "repeated ",
                    Some(Label::Required) if proto2 => "required ",
                    Some(Label::Implicit) if !proto2 => "",
                    Some(_) => "optional ",
                };
                let mut options = Vec::new();
                if let Some(packed) = packed.filter(|packed| *packed == proto2) {
                    options.push(format!("packed = {packed}"));
                }
                if let Some(default) = default {
                    options.push(format!("default = {default}"));
                }
                let options = match options.as_slice() {
                    [] => String::new(),
                    options => format!(" [{}]", options.join(", ")),
                };
                format!("{indent}{label}{declaration}{options};")
            }
        }
    }
}

struct ProtoSource<'a> {
    index: &'a Index,
    /// Whether a declaration needs proto2.
    proto2: bool,
    imports: BTreeSet<String>,
    /// The names of types in the text, by file and name.
    names: BTreeMap<(usize, String), String>,
    /// The names of enum values in the text, by the names of the enum and the variant.
    values: BTreeMap<(String, String), String>,
    /// The main message.
    root: String,
    queue: Vec<(usize, String, Found<'a>)>,
}

impl ProtoSource<'_> {
    /// Returns the name in the text of a type that the files declare. The type is written later.
    fn declared(&mut self, file: usize, name: &str) -> String {
        let key = (file, name.to_owned());
        if let Some(known) = self.names.get(&key) {
            return known.clone();
        }
        let unique = self.free(name.to_owned());
        self.names.insert(key, unique.clone());
        if let Some((file, found)) = self.index.get(file, name) {
            self.queue.push((file, unique.clone(), found));
        }
        unique
    }

    /// Returns the name, extended until it is unique in the text: types and the values of all enums
    /// share a scope.
    fn free(&self, mut name: String) -> String {
        let taken = |name: &str| {
            let mut all = self.names.values().chain(self.values.values());
            all.any(|taken| taken == name)
        };
        while taken(&name) {
            name.push('_');
        }
        name
    }

    /// Returns the name of an enum's value in the text, which begins with the enum's name.
    fn value(&mut self, of: &str, variant: &str) -> String {
        let key = (of.to_owned(), variant.to_owned());
        if let Some(known) = self.values.get(&key) {
            return known.clone();
        }
        let name = self.free(Case::ScreamingSnake.variant(&format!("{of}{variant}")));
        self.values.insert(key, name.clone());
        name
    }

    /// Returns the name of a type as another message refers to it. AsyncAPI's parser takes the
    /// message that no other message refers to by its plain name as the main one, so references to
    /// the main message are qualified.
    fn reference(&self, name: String, within: &str) -> String {
        if name == self.root && within != name {
            format!(".{name}")
        } else {
            name
        }
    }

    fn message(
        &mut self,
        file: usize,
        item: &ItemStruct,
        name: &str,
    ) -> syn::Result<Vec<ProtoLine>> {
        let within = name.to_owned();
        let mut lines = vec![ProtoLine::Plain(format!("message {name} {{"))];
        let fields = match &item.fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(fields) => {
                return Err(syn::Error::new(
                    fields.span(),
                    "the fields of a prost message need names here: name them",
                ));
            }
        };
        let names = fields
            .iter()
            .filter_map(|field: &&Field| field.ident.as_ref());
        // Alternatives share the scope of the fields, unlike in Rust.
        let mut taken: BTreeSet<String> = names
            .map(|ident| in_json(&ident.unraw().to_string()))
            .collect();
        for field in fields {
            let prost = Prost::of(&field.attrs, field.span())?;
            let name = field
                .ident
                .as_ref()
                .map(|ident| ident.unraw().to_string())
                .unwrap_or_default();
            comment(&mut lines, &field.attrs, "  ");
            match &prost.oneof {
                Some(oneof) => {
                    let names = (&*name, &*within, &mut taken);
                    self.oneof(&mut lines, file, field, names, oneof)?;
                }
                None => {
                    lines.push(self.field(file, (&name, &within), &field.ty, &prost, "  ")?);
                }
            }
        }
        lines.push(ProtoLine::Plain("}".to_owned()));
        Ok(lines)
    }

    fn oneof(
        &mut self,
        lines: &mut Vec<ProtoLine>,
        file: usize,
        field: &Field,
        (name, within, taken): (&str, &str, &mut BTreeSet<String>),
        oneof: &str,
    ) -> syn::Result<()> {
        let Some((file, Found::Enum(item))) = self.index.get_path(file, oneof) else {
            return Err(missing(field.span(), oneof));
        };
        lines.push(ProtoLine::Plain(format!("  oneof {name} {{")));
        for variant in &item.variants {
            let prost = Prost::of(&variant.attrs, variant.span())?;
            let plain = Case::Snake.variant(&variant.ident.unraw().to_string());
            let others = (1_u32..).map(|number| match number {
                1 => format!("{name}_{plain}"),
                number => format!("{name}_{plain}{number}"),
            });
            let mut names = std::iter::once(plain.clone()).chain(others);
            let free = names.find(|name| taken.insert(in_json(name)));
            let name = free.unwrap_or_default();
            let Some(of) = variant.fields.iter().next() else {
                return Err(syn::Error::new(
                    variant.span(),
                    "an alternative of a prost oneof holds one value: add it",
                ));
            };
            comment(lines, &variant.attrs, "    ");
            let mut line = self.field(file, (&name, within), &of.ty, &prost, "    ")?;
            if let ProtoLine::Field { label, .. } = &mut line {
                *label = None;
            }
            lines.push(line);
        }
        lines.push(ProtoLine::Plain("  }".to_owned()));
        Ok(())
    }

    fn field(
        &mut self,
        file: usize,
        (name, within): (&str, &str),
        ty: &Type,
        prost: &Prost,
        indent: &'static str,
    ) -> syn::Result<ProtoLine> {
        self.proto2 |= prost.label == Label::Required || prost.default.is_some();
        let (label, of) = match prost.map.as_deref() {
            Some(map) => {
                let Some((key, value)) = map.split_once(',') else {
                    return Err(syn::Error::new(
                        ty.span(),
                        "the map needs a key and a value",
                    ));
                };
                let value = self.type_name(file, value.trim(), ty)?;
                let value = self.reference(value, within);
                (None, format!("map<{}, {value}>", key.trim()))
            }
            None => {
                let of = self.type_name(file, &prost.of, ty)?;
                (Some(prost.label), self.reference(of, within))
            }
        };
        let default = match prost.default.clone() {
            Some(default) => Some(match prost.of.as_str() {
                "string" | "bytes" => format!("\"{}\"", default.as_bytes().escape_ascii()),
                of if of.starts_with("enumeration(") => {
                    let of = self.type_name(file, of, ty)?;
                    self.value(&of, last_word(&default))
                }
                _ => default,
            }),
            None => None,
        };
        let numeric = !matches!(prost.of.as_str(), "string" | "bytes" | "message");
        Ok(ProtoLine::Field {
            indent,
            label,
            declaration: format!("{of} {name} = {}", prost.tag),
            packed: (label == Some(Label::Repeated) && numeric)
                .then(|| prost.packed.unwrap_or(true)),
            default,
        })
    }

    fn enumeration(&mut self, item: &ItemEnum, name: &str) -> syn::Result<Vec<ProtoLine>> {
        let mut lines = vec![ProtoLine::Plain(format!("enum {name} {{"))];
        let mut next = 0_i32;
        let mut first = true;
        for variant in &item.variants {
            if let Some((_, number)) = &variant.discriminant {
                next = integer(number).ok_or_else(|| {
                    syn::Error::new(
                        number.span(),
                        "the number of an enum's value must be a literal",
                    )
                })?;
            }
            // In proto3, enums must start with 0.
            self.proto2 |= std::mem::take(&mut first) && next != 0;
            comment(&mut lines, &variant.attrs, "  ");
            let value = self.value(name, &variant.ident.unraw().to_string());
            lines.push(ProtoLine::Plain(format!("  {value} = {next};")));
            next = next.wrapping_add(1);
        }
        lines.push(ProtoLine::Plain("}".to_owned()));
        Ok(lines)
    }

    /// Returns the type's name in the text. `of` is prost's name for it, `ty` the type of the Rust
    /// field.
    fn type_name(&mut self, file: usize, of: &str, ty: &Type) -> syn::Result<String> {
        if let Some(name) = of.strip_prefix("enumeration(") {
            let path = name.trim_end_matches(')');
            let name = last_word(path);
            return match self.index.get_path(file, path) {
                Some((found_in, Found::Enum(_))) => Ok(self.declared(found_in, name)),
                _ => Err(missing(ty.span(), name)),
            };
        }
        if of != "message" {
            return Ok(of.to_owned());
        }
        let inner = types::name(innermost(ty));
        let name = last_word(&inner);
        if inner == "()" {
            self.imports
                .insert("google/protobuf/empty.proto".to_owned());
            return Ok("google.protobuf.Empty".to_owned());
        }
        if inner.contains("prost_types::") {
            let file = match name {
                "Value" | "ListValue" => "struct".to_owned(),
                other => Case::Snake.variant(other),
            };
            self.imports.insert(format!("google/protobuf/{file}.proto"));
            return Ok(format!("google.protobuf.{name}"));
        }
        match (self.index.get_path(file, &inner), wrapper(name)) {
            (Some((found_in, Found::Struct(_))), _) => Ok(self.declared(found_in, name)),
            (None, Some(wrapper)) => {
                self.imports
                    .insert("google/protobuf/wrappers.proto".to_owned());
                Ok(format!("google.protobuf.{wrapper}"))
            }
            _ => Err(missing(ty.span(), name)),
        }
    }
}

/// Returns a field's name in the form in which protobuf compares names, so that JSON names are
/// unique.
fn in_json(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

/// Returns the message that prost uses for a built-in Rust type; for bytes, given the name of the
/// element type.
fn wrapper(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "BoolValue",
        "u8" | "Bytes" => "BytesValue",
        "f64" => "DoubleValue",
        "f32" => "FloatValue",
        "i32" => "Int32Value",
        "i64" => "Int64Value",
        "String" => "StringValue",
        "u32" => "UInt32Value",
        "u64" => "UInt64Value",
        _ => return None,
    })
}

fn integer(expr: &Expr) -> Option<i32> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            integer(&unary.expr).and_then(i32::checked_neg)
        }
        _ => None,
    }
}

fn comment(lines: &mut Vec<ProtoLine>, attrs: &[syn::Attribute], indent: &str) {
    for line in attrs::doc(attrs).unwrap_or_default().lines() {
        let line = format!("{indent}// {line}");
        lines.push(ProtoLine::Plain(line.trim_end().to_owned()));
    }
}

/// Returns the type inside an `Option`, a `Vec`, a `Box` or the value of a map.
fn innermost(ty: &Type) -> &Type {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(syn::GenericArgument::Type(inner)) = arguments.args.last()
    {
        return innermost(inner);
    }
    ty
}

fn last_word(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim()
}

fn missing(place: proc_macro2::Span, name: &str) -> syn::Error {
    syn::Error::new(
        place,
        format!("`{name}` is not among the files: add the file that declares it"),
    )
}
