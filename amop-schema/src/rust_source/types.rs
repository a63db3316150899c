//! The JSON Schema of Rust types, as serde writes them.

use super::index::{Found, Index};
use crate::asyncapi::{PayloadSchema, SCHEMAS};
use quote::ToTokens;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use syn::{Expr, ExprLit, GenericArgument, Generics, Ident, Lit, PathArguments, Type, TypePath};

/// The maximum depth for types within types and for aliases. A cycle of aliases does not compile,
/// but the parser does not detect it.
const MAX_DEPTH: usize = 64;

/// Returns the schema of a type and of the declared types that it uses.
pub(super) fn content(index: &Index, file: usize, ty: &Type) -> PayloadSchema {
    let mut schemas = RustSchemas {
        index,
        names: HashMap::new(),
        queue: Vec::new(),
        depth: 0,
        parameters: Vec::new(),
    };
    let schema = schemas.of(file, ty);
    let mut definitions = BTreeMap::new();
    while let Some((name, file, found)) = schemas.queue.pop() {
        schemas.parameters = match found {
            Found::Struct(item) => parameters(&item.generics),
            Found::Enum(item) => parameters(&item.generics),
            Found::Alias(_) => Vec::new(),
        };
        let definition = match found {
            Found::Struct(item) => schemas.structure(file, item),
            Found::Enum(item) => schemas.enumeration(file, item),
            Found::Alias(item) => schemas.of(file, &item.ty),
        };
        definitions.insert(name, definition);
    }
    PayloadSchema::Json {
        schema,
        definitions,
    }
}

fn parameters(generics: &Generics) -> Vec<String> {
    let names = generics.type_params().map(|param| param.ident.to_string());
    names.collect()
}

/// Returns the type of a struct from its name.
pub(super) fn path_type(ident: &Ident) -> Type {
    Type::Path(TypePath {
        attrs: Vec::new(),
        qself: None,
        path: ident.clone().into(),
    })
}

/// Returns a type as it is written in source code, without the extra spaces between tokens.
pub(super) fn name(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let mut name = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // A space is needed between two words, and improves the text after a comma.
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let last = name.chars().next_back().unwrap_or(' ');
        let next = chars.peek().copied().unwrap_or(' ');
        if c != ' ' || word(last) && word(next) || last == ',' || last == ';' {
            name.push(c);
        }
    }
    name
}

/// Schemas under construction.
pub(super) struct RustSchemas<'a> {
    index: &'a Index,
    /// The names of types in the document, by file and name.
    names: HashMap<(usize, String), String>,
    queue: Vec<(String, usize, Found<'a>)>,
    depth: usize,
    /// The type parameters of the described item: they stand for any type.
    pub(super) parameters: Vec<String>,
}

impl RustSchemas<'_> {
    /// Returns the schema of a type that a file mentions.
    pub(super) fn of(&mut self, file: usize, ty: &Type) -> Value {
        if self.depth == MAX_DEPTH {
            return unknown(ty);
        }
        self.depth += 1;
        let schema = self.resolve(file, ty);
        self.depth -= 1;
        schema
    }

    fn resolve(&mut self, file: usize, ty: &Type) -> Value {
        match ty {
            Type::Group(group) => self.of(file, &group.elem),
            Type::Paren(paren) => self.of(file, &paren.elem),
            Type::Reference(reference) => self.of(file, &reference.elem),
            Type::Slice(slice) => self.list(file, &slice.elem),
            Type::Array(array) => {
                let mut schema = self.list(file, &array.elem);
                if let Expr::Lit(ExprLit {
                    lit: Lit::Int(len), ..
                }) = &array.len
                    && let Ok(len) = len.base10_parse::<u64>()
                {
                    schema["minItems"] = json!(len);
                    schema["maxItems"] = json!(len);
                }
                schema
            }
            Type::Tuple(tuple) if tuple.elems.is_empty() => json!({ "type": "null" }),
            Type::Tuple(tuple) => {
                let items: Vec<_> = tuple.elems.iter().map(|ty| self.of(file, ty)).collect();
                self.tuple(items)
            }
            Type::Path(path) => self.path(file, path, ty),
            _ => unknown(ty),
        }
    }

    /// Returns the schema of an array with one item of each schema.
    pub(super) fn tuple(&self, items: Vec<Value>) -> Value {
        let len = items.len();
        if len == 0 {
            // An empty list of schemas is not allowed.
            return json!({ "type": "array", "maxItems": 0 });
        }
        json!({ "type": "array", "items": items, "minItems": len, "maxItems": len })
    }

    fn list(&mut self, file: usize, item: &Type) -> Value {
        json!({ "type": "array", "items": self.of(file, item) })
    }

    fn path(&mut self, file: usize, path: &TypePath, ty: &Type) -> Value {
        let Some(last) = path.path.segments.last() else {
            return unknown(ty);
        };
        if path
            .path
            .get_ident()
            .is_some_and(|name| self.parameters.iter().any(|of| name == of))
        {
            return unknown(ty);
        }
        if let Some((found_in, found)) = self.index.of_type(file, ty) {
            if let Found::Alias(alias) = found {
                return if alias.generics.params.is_empty() {
                    self.of(found_in, &alias.ty)
                } else {
                    unknown(ty)
                };
            }
            return self.reference(found_in, &last.ident.to_string());
        }
        let arguments: Vec<&Type> = match &last.arguments {
            PathArguments::AngleBracketed(arguments) => arguments
                .args
                .iter()
                .filter_map(|argument| match argument {
                    GenericArgument::Type(ty) => Some(ty),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let name = last.ident.to_string();
        match (name.as_str(), arguments.as_slice()) {
            ("Option", [of]) => nullable(self.of(file, of)),
            ("Box" | "Arc" | "Rc" | "Cow" | "Cell" | "RefCell" | "Mutex" | "RwLock", [of]) => {
                self.of(file, of)
            }
            ("Vec" | "VecDeque" | "LinkedList" | "BinaryHeap", [of]) => self.list(file, of),
            ("HashSet" | "BTreeSet" | "IndexSet", [of, ..]) => {
                let mut schema = self.list(file, of);
                schema["uniqueItems"] = json!(true);
                schema
            }
            ("HashMap" | "BTreeMap" | "IndexMap", [_, of, ..]) => {
                json!({ "type": "object", "additionalProperties": self.of(file, of) })
            }
            (name, []) => scalar(name).unwrap_or_else(|| unknown(ty)),
            _ => unknown(ty),
        }
    }

    /// Returns a reference to a declared type, whose schema is written later, since types may refer
    /// to themselves.
    fn reference(&mut self, file: usize, name: &str) -> Value {
        let key = (file, name.to_owned());
        if let Some(name) = self.names.get(&key) {
            return json!({ "$ref": format!("{SCHEMAS}{name}") });
        }
        let mut unique = name.to_owned();
        while self.names.values().any(|taken| *taken == unique) {
            unique.push('_');
        }
        self.names.insert(key, unique.clone());
        if let Some((file, found)) = self.index.get(file, name) {
            self.queue.push((unique.clone(), file, found));
        }
        json!({ "$ref": format!("{SCHEMAS}{unique}") })
    }
}

/// Returns a schema that also allows null.
fn nullable(schema: Value) -> Value {
    match schema.get("type") {
        Some(Value::String(name)) if schema.get("enum").is_none() => {
            let mut schema = schema.clone();
            schema["type"] = json!([name, "null"]);
            schema
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// Returns the schema of a type that the files do not declare: it allows anything.
pub(super) fn unknown(ty: &Type) -> Value {
    json!({ "x-rust-type": name(ty) })
}

/// Returns the schema of a standard library type without parameters.
fn scalar(name: &str) -> Option<Value> {
    Some(match name {
        "String" | "str" | "PathBuf" | "Path" => json!({ "type": "string" }),
        "char" => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        "bool" => json!({ "type": "boolean" }),
        "f32" | "f64" => json!({ "type": "number" }),
        "i8" => json!({ "type": "integer", "minimum": i8::MIN, "maximum": i8::MAX }),
        "i16" => json!({ "type": "integer", "minimum": i16::MIN, "maximum": i16::MAX }),
        "i32" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        "u8" => json!({ "type": "integer", "minimum": 0, "maximum": u8::MAX }),
        "u16" => json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX }),
        "u32" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        // Validators that use doubles cannot check the limits of wider numbers.
        "i64" | "i128" | "isize" => json!({ "type": "integer" }),
        "u64" | "u128" | "usize" => json!({ "type": "integer", "minimum": 0 }),
        _ => return None,
    })
}
