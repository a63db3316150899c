//! What prost makes of a message's fields that topics have to know.

use syn::{Attribute, Field, ItemStruct, Meta, Token, parse_quote, punctuated::Punctuated};

/// The functions that `#[derive(AmopTopic)]` writes and that may be called like a field.
const FUNCTIONS: [&str; 14] = [
    "subscribe",
    "subscribe_to",
    "subscribe_private",
    "subscribe_sealed",
    "deliveries",
    "deliveries_of",
    "deliveries_private",
    "deliveries_sealed",
    "publish_unicast",
    "publish_unicast_to",
    "publish_multicast",
    "publish_multicast_to",
    "request",
    "request_to",
];

/// The options in a field's `#[prost(...)]`.
fn options(field: &Field) -> Option<(&Attribute, Punctuated<Meta, Token![,]>)> {
    let attr = field
        .attrs
        .iter()
        .find(|attr| attr.path().is_ident("prost"))?;
    let options = attr.parse_args_with(Punctuated::parse_terminated).ok()?;
    Some((attr, options))
}

/// Whether one of the options has one of these names.
fn has(options: &Punctuated<Meta, Token![,]>, names: &[&str]) -> bool {
    options
        .iter()
        .any(|option| names.iter().any(|name| option.path().is_ident(name)))
}

/// Has `float` and `double` fields without presence written whatever they are. prost leaves out what
/// equals zero, and -0.0 does.
pub(crate) fn keep_signed_zeros(item: &mut ItemStruct) {
    for field in &mut item.fields {
        let Some((_, mut options)) = options(field) else {
            continue;
        };
        let floating = options
            .first()
            .is_some_and(|of| of.path().is_ident("float") || of.path().is_ident("double"));
        if !floating || has(&options, &["optional", "repeated", "required", "packed"]) {
            continue;
        }
        options.insert(1, parse_quote!(required));
        for attr in &mut field.attrs {
            if attr.path().is_ident("prost") {
                *attr = parse_quote!(#[prost(#options)]);
            }
        }
    }
}

/// The names of functions that prost writes for a field.
fn accessors(field: &Field) -> Vec<String> {
    let (Some(ident), Some((_, options))) = (&field.ident, options(field)) else {
        return Vec::new();
    };
    let name = ident.to_string();
    let name = name.trim_start_matches("r#");
    let enumeration = has(&options, &["enumeration"]);
    if has(&options, &["map", "btree_map"]) {
        let map = options.iter().any(|option| {
            matches!(option, Meta::NameValue(option)
                if matches!(&option.value, syn::Expr::Lit(lit)
                    if matches!(&lit.lit, syn::Lit::Str(of) if of.value().contains("enumeration"))))
        });
        return if map {
            vec![format!("get_{name}"), format!("insert_{name}")]
        } else {
            Vec::new()
        };
    }
    if enumeration {
        let other = if has(&options, &["repeated"]) {
            "push"
        } else {
            "set"
        };
        vec![name.to_owned(), format!("{other}_{name}")]
    } else if has(&options, &["optional"]) && !has(&options, &["message", "group"]) {
        vec![name.to_owned()]
    } else {
        Vec::new()
    }
}

/// The functions of topics whose names prost's accessors have.
pub(crate) fn functions_taken(item: &ItemStruct) -> Vec<syn::Ident> {
    let taken: Vec<String> = item.fields.iter().flat_map(accessors).collect();
    FUNCTIONS
        .iter()
        .filter(|name| taken.iter().any(|taken| taken == *name))
        .map(|name| syn::Ident::new(name, proc_macro2::Span::call_site()))
        .collect()
}

/// Two fields for which prost writes functions of the same name.
pub(crate) fn clashing_accessors(item: &ItemStruct) -> Option<(String, String, String)> {
    let mut known: Vec<(String, String)> = Vec::new();
    for field in &item.fields {
        let ident = field.ident.as_ref()?.to_string();
        for accessor in accessors(field) {
            if let Some((_, other)) = known.iter().find(|(name, _)| *name == accessor) {
                return Some((other.clone(), ident, accessor));
            }
            known.push((accessor, ident.clone()));
        }
    }
    None
}
