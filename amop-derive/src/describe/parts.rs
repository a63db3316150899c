//! What the descriptors of all kinds of types have in common.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Type, meta::ParseNestedMeta};

/// Returns an expression for the descriptor of any type.
pub(super) fn of_field(ty: &Type, describe: &TokenStream) -> TokenStream {
    quote!((&&&#describe::Probe::<#ty>::new()).describe())
}

/// Returns the doc comment without the space after the comment signs, or an empty text.
pub(super) fn doc(attrs: &[Attribute]) -> String {
    let texts = attrs
        .iter()
        .filter(|attr| attr.path().is_ident("doc"))
        .filter_map(|attr| match &attr.meta {
            Meta::NameValue(doc) => match &doc.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        });
    let lines: Vec<_> = texts
        .flat_map(|text| {
            text.lines()
                .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

/// Returns the name of an option of an attribute, or an empty text if it is a longer path.
pub(super) fn option_name(meta: &ParseNestedMeta<'_>) -> String {
    let name = meta.path.get_ident();
    name.map(ToString::to_string).unwrap_or_default()
}
