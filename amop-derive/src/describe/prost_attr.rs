//! The `#[prost(...)]` attributes of fields.

use super::parts::option_name;
use syn::{Attribute, LitStr, Token, meta::ParseNestedMeta};

/// The number of values of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// One value, which is not written if it is the default.
    #[default]
    Implicit,
    Optional,
    Required,
    Repeated,
}

impl Label {
    /// Returns the keyword.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Implicit => "",
            Self::Optional => "optional",
            Self::Required => "required",
            Self::Repeated => "repeated",
        }
    }
}

/// A field's properties for prost.
#[derive(Debug, Default)]
pub(super) struct Prost {
    /// The type as in a `.proto` file, `message`, or `enumeration(Name)`.
    pub(super) of: String,
    pub(super) label: Label,
    /// The number, if it is given; the last one of a oneof.
    pub(super) tag: String,
    /// The enum of a oneof.
    pub(super) oneof: Option<String>,
    /// The types of a map's key and value, with a comma between them.
    pub(super) map: Option<String>,
    pub(super) packed: Option<bool>,
    pub(super) default: Option<String>,
}

impl Prost {
    /// Reads the attributes of a field; `None` if it has none, or of a kind that is not described.
    /// Prost's derive reports mistakes.
    pub(super) fn of(attrs: &[Attribute]) -> Option<Self> {
        let mut found = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("prost")) {
            attr.parse_nested_meta(|meta| found.read(&meta)).ok()?;
        }
        // A message may always be missing, even if the attribute does not say so.
        if found.of == "message" && found.label == Label::Optional {
            found.label = Label::Implicit;
        }
        let typed = !found.of.is_empty() || found.map.is_some() || found.oneof.is_some();
        typed.then_some(found)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = option_name(meta);
        let value = if meta.input.peek(Token![=]) {
            Some(meta.value()?.parse::<LitStr>()?.value())
        } else {
            None
        };
        match (name.as_str(), value) {
            (
                "double" | "float" | "int32" | "int64" | "uint32" | "uint64" | "sint32" | "sint64"
                | "fixed32" | "fixed64" | "sfixed32" | "sfixed64" | "bool" | "string" | "bytes"
                | "message",
                _,
            ) => self.of = name,
            ("enumeration", Some(of)) => self.of = format!("enumeration({of})"),
            ("map" | "hash_map" | "btree_map", Some(of)) => self.map = Some(of),
            ("oneof", Some(of)) => self.oneof = Some(of),
            ("tag", Some(tag)) => self.tag = tag,
            ("optional", _) => self.label = Label::Optional,
            ("required", _) => self.label = Label::Required,
            ("repeated", _) => self.label = Label::Repeated,
            ("packed", value) => self.packed = Some(value.as_deref() != Some("false")),
            ("default", value) => self.default = value,
            ("tags", Some(tags)) => {
                self.tag = tags
                    .rsplit(',')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_owned();
            }
            ("boxed", _) => {}
            _ => return Err(meta.error("not described")),
        }
        Ok(())
    }
}
