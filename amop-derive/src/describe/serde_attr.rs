//! Serde's attributes that affect the JSON.

use super::{case::Case, parts::option_name};
use syn::{Attribute, LitStr, Token, meta::ParseNestedMeta};

/// The content of `#[serde(...)]` on a struct, an enum, a variant or a field.
#[derive(Debug, Default)]
pub(super) struct Serde {
    pub(super) rename: Option<String>,
    pub(super) rename_all: Option<Case>,
    pub(super) rename_all_fields: Option<Case>,
    pub(super) tag: Option<String>,
    pub(super) content: Option<String>,
    pub(super) untagged: bool,
    pub(super) transparent: bool,
    pub(super) deny_unknown_fields: bool,
    /// The field is never written.
    pub(super) skip: bool,
    /// The field may be missing.
    pub(super) default: bool,
    pub(super) flatten: bool,
    /// Code decides the form, through `with`, `into` and similar options.
    pub(super) custom: bool,
}

impl Serde {
    /// Reads the attributes. Errors are ignored, since the compiler reports them.
    pub(super) fn of(attrs: &[Attribute]) -> Self {
        let mut found = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            let _ = attr.parse_nested_meta(|meta| found.read(&meta));
        }
        found
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = option_name(meta);
        match name.as_str() {
            "rename" => self.rename = written(meta)?,
            "rename_all" => self.rename_all = written(meta)?.as_deref().and_then(Case::parse),
            "rename_all_fields" => {
                self.rename_all_fields = written(meta)?.as_deref().and_then(Case::parse);
            }
            "tag" => self.tag = Some(text(meta)?),
            "content" => self.content = Some(text(meta)?),
            "untagged" => self.untagged = true,
            "transparent" => self.transparent = true,
            "deny_unknown_fields" => self.deny_unknown_fields = true,
            "skip" | "skip_serializing" => self.skip = true,
            "skip_deserializing" | "default" | "skip_serializing_if" => {
                self.default = true;
                ignore(meta)?;
            }
            "flatten" => self.flatten = true,
            "with" | "serialize_with" | "deserialize_with" | "into" | "from" | "try_from"
            | "remote" => {
                self.custom = true;
                ignore(meta)?;
            }
            _ => ignore(meta)?,
        }
        Ok(())
    }
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

/// Reads a name that may differ between writing and reading, and returns the written one.
fn written(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    if meta.input.peek(Token![=]) {
        return text(meta).map(Some);
    }
    let mut serialize = None;
    meta.parse_nested_meta(|inner| {
        let name = text(&inner)?;
        if inner.path.is_ident("serialize") {
            serialize = Some(name);
        }
        Ok(())
    })?;
    Ok(serialize)
}

/// Skips a value that does not matter.
fn ignore(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| ignore(&inner))?;
    }
    Ok(())
}
