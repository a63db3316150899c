//! The properties of prost's structs that matter for topics.

use syn::{
    Attribute, Field, ItemEnum, ItemStruct, Lit, LitStr, Meta, Token, parse_quote,
    punctuated::Punctuated,
};

/// The functions of `#[derive(AmopTopic)]` whose names a field may have as well.
const FUNCTIONS: [&str; 16] = [
    "subscribe",
    "subscribe_to",
    "subscribe_private",
    "subscribe_sealed",
    "deliveries",
    "deliveries_to",
    "deliveries_private",
    "deliveries_sealed",
    "publish_unicast",
    "publish_unicast_to",
    "publish_multicast",
    "publish_multicast_to",
    "request",
    "request_to",
    "serve",
    "try_serve",
];

/// The names of types that prost's derives declare inside of functions, where they hide other
/// types.
const LOCAL: [&str; 5] = [
    "Inner",
    "KeyWrapper",
    "MapWrapper",
    "ScalarWrapper",
    "ValueWrapper",
];

type MetaList = Punctuated<Meta, Token![,]>;

/// Returns the options in a field's `#[prost(...)]`.
fn options(field: &Field) -> Option<(&Attribute, MetaList)> {
    let attr = field
        .attrs
        .iter()
        .find(|attr| attr.path().is_ident("prost"))?;
    let options = attr.parse_args_with(Punctuated::parse_terminated).ok()?;
    Some((attr, options))
}

/// Changes the strings in the options of `#[prost(...)]`, by option name. Returns whether any
/// changed.
fn change_strings(attrs: &mut [Attribute], change: &dyn Fn(&str, &str) -> Option<String>) -> bool {
    let mut any = false;
    for attr in attrs
        .iter_mut()
        .filter(|attr| attr.path().is_ident("prost"))
    {
        let parsed: syn::Result<MetaList> = attr.parse_args_with(Punctuated::parse_terminated);
        let Ok(mut options) = parsed else { continue };
        let mut changed = false;
        for option in &mut options {
            if let Some((name, value)) = string(option)
                && let Some(new) = change(&name, &value)
                && let Meta::NameValue(option) = option
            {
                let new = LitStr::new(&new, proc_macro2::Span::call_site());
                option.value = parse_quote!(#new);
                changed = true;
            }
        }
        if changed {
            *attr = parse_quote!(#[prost(#options)]);
            any = true;
        }
    }
    any
}

/// Returns the name and value of an option whose value is a string.
fn string(option: &Meta) -> Option<(String, String)> {
    let Meta::NameValue(option) = option else {
        return None;
    };
    match &option.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: Lit::Str(value),
            ..
        }) => Some((option.path.get_ident()?.to_string(), value.value())),
        _ => None,
    }
}

/// Adds a path to enums that have the name of a type inside of prost's derived functions, so that
/// they are found.
pub(crate) fn name_enums_from_outside(item: &mut ItemStruct) {
    for field in &mut item.fields {
        change_strings(&mut field.attrs, &from_outside);
    }
}

/// Does the same for the alternatives of a oneof.
pub(crate) fn name_enums_of_oneof_from_outside(item: &mut ItemEnum) {
    for variant in &mut item.variants {
        change_strings(&mut variant.attrs, &from_outside);
    }
}

fn from_outside(option: &str, value: &str) -> Option<String> {
    if option == "enumeration" {
        return LOCAL.contains(&value).then(|| format!("self::{value}"));
    }
    if !matches!(option, "map" | "btree_map") {
        return None;
    }
    let (before, of) = value.split_once("enumeration(")?;
    let of = of.strip_suffix(')')?;
    LOCAL
        .contains(&of)
        .then(|| format!("{before}enumeration(self::{of})"))
}

/// Turns maps with enum values into maps of integers if their field is a keyword, since prost
/// cannot name the accessors of such a map. Both are the same on the wire if the enum's first value
/// is 0. Returns the names of the fields.
pub(crate) fn plain_enum_maps(item: &mut ItemStruct) -> Vec<String> {
    let mut changed = Vec::new();
    for field in &mut item.fields {
        let name = field.ident.as_ref().map(ToString::to_string);
        let Some(name) = name.as_deref().and_then(|name| name.strip_prefix("r#")) else {
            continue;
        };
        let changes = change_strings(&mut field.attrs, &|option, value| {
            let of_enum = matches!(option, "map" | "btree_map");
            let (before, _) = value.split_once("enumeration(").filter(|_| of_enum)?;
            Some(format!("{before}int32"))
        });
        if changes {
            changed.push(name.to_owned());
        }
    }
    changed
}

/// Returns whether one of the options has one of these names.
fn has(options: &MetaList, names: &[&str]) -> bool {
    options
        .iter()
        .any(|option| names.iter().any(|name| option.path().is_ident(name)))
}

/// Makes prost always write `float` and `double` fields without presence. prost omits values that
/// equal zero, and -0.0 equals zero.
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

/// Returns the names of the functions that prost writes for a field.
fn accessors(field: &Field) -> Vec<String> {
    let (Some(ident), Some((_, options))) = (&field.ident, options(field)) else {
        return Vec::new();
    };
    let name = ident.to_string();
    let name = name.trim_start_matches("r#");
    let enumeration = has(&options, &["enumeration"]);
    if has(&options, &["map", "btree_map"]) {
        let strings = options.iter().filter_map(string);
        let map = strings
            .map(|(_, of)| of)
            .any(|of| of.contains("enumeration"));
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

/// Returns the topic functions whose names prost's accessors already have.
pub(crate) fn functions_taken(item: &ItemStruct) -> Vec<syn::Ident> {
    let taken: Vec<String> = item.fields.iter().flat_map(accessors).collect();
    FUNCTIONS
        .iter()
        .filter(|name| taken.iter().any(|taken| taken == *name))
        .map(|name| syn::Ident::new(name, proc_macro2::Span::call_site()))
        .collect()
}

/// Returns two fields for which prost writes functions of the same name.
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
