//! What the descriptors of all kinds of types have in common.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Type};

/// Returns an expression for the descriptor of any type.
pub(super) fn of_field(ty: &Type, describe: &TokenStream) -> TokenStream {
    quote!((&&&#describe::Probe::<#ty>::new()).describe())
}

/// Returns the doc comment, without the space after the comment signs; empty if there is none.
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
