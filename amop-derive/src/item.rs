//! Checks of the item that a macro is applied to.

use crate::{derives, errors::Errors, format::CodecName};
use syn::{Data, DeriveInput, GenericParam, Generics, Type, TypeParam, WherePredicate};

/// Reports an item that is not a struct.
pub(crate) fn check_kind(item: &DeriveInput, errors: &mut Errors) {
    let (token, kind) = match &item.data {
        Data::Struct(_) => return,
        Data::Enum(data) => (data.enum_token.span, "an enum"),
        Data::Union(data) => (data.union_token.span, "a union"),
    };
    errors.at(
        token,
        format!(
            "a topic must be a struct, but `{}` is {kind}: make it a field of a struct, and make \
             that struct the topic",
            item.ident
        ),
    );
}

/// Reports `#[amop(...)]` on fields and variants, where it has no meaning.
pub(crate) fn check_members(item: &DeriveInput, errors: &mut Errors) {
    let mut check = |attrs: &[syn::Attribute], what: &str| {
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("amop")) {
            errors.on(
                attr,
                format!("amop has no options for {what}: put them on the struct"),
            );
        }
    };
    match &item.data {
        Data::Struct(data) => {
            for field in &data.fields {
                check(&field.attrs, "fields");
            }
        }
        Data::Enum(data) => {
            for variant in &data.variants {
                check(&variant.attrs, "variants");
                for field in &variant.fields {
                    check(&field.attrs, "fields");
                }
            }
        }
        Data::Union(data) => {
            for field in &data.fields.named {
                check(&field.attrs, "fields");
            }
        }
    }
}

/// Reports lifetimes, and type parameters without any bound: messages are `Send + 'static`, and the
/// codec must be able to encode and decode them.
///
/// `serde_by_hand`: the user writes serde's derives, so [`crate::derives`] adds nothing.
pub(crate) fn check_generics(
    item: &DeriveInput,
    codec: Option<CodecName>,
    serde_by_hand: bool,
    errors: &mut Errors,
) {
    for param in &item.generics.params {
        match param {
            GenericParam::Lifetime(param) => errors.on(
                &param.lifetime,
                "a received message owns its data and cannot borrow: use `String` instead of \
                 `&str`, or `Vec<u8>` instead of `&[u8]`",
            ),
            GenericParam::Type(param) if !is_bounded(param, &item.generics) => {
                let name = &param.ident;
                let codec = codec.unwrap_or(CodecName::Json);
                let bounds = codec.bounds();
                let serde = match codec {
                    CodecName::Json if serde_by_hand => {
                        ", and the struct needs `#[serde(bound = \"\")]`, so that serde's derives \
                         add no bounds"
                    }
                    _ => "",
                };
                errors.on(
                    name,
                    format!(
                        "`{name}` needs bounds so that messages can be written and read: \
                         `{name}: {bounds}`{serde}"
                    ),
                );
            }
            GenericParam::Type(_) | GenericParam::Const(_) => {}
        }
    }
}

/// Returns whether a type parameter has any bound. The compiler checks whether the bounds suffice,
/// because the user's own traits may imply the needed ones.
fn is_bounded(param: &TypeParam, generics: &Generics) -> bool {
    let names_it = |ty: &Type| matches!(ty, Type::Path(ty) if ty.path.is_ident(&param.ident));
    let mut predicates = generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates);
    !param.bounds.is_empty()
        || predicates.any(|predicate| {
            matches!(predicate, WherePredicate::Type(predicate)
                if names_it(&predicate.bounded_ty) && !predicate.bounds.is_empty())
        })
}

/// Reports a macro that is applied twice, or both macros at once.
pub(crate) fn check_single_use(item: &DeriveInput, errors: &mut Errors) {
    for attr in &item.attrs {
        let path = attr.path();
        if path.is_ident("amop") {
            errors.on(
                attr,
                "options of `#[amop::topic]` go into it: `#[amop::topic(\"hello\", codec = \
                 \"json\")]`; `#[amop(...)]` belongs to `#[derive(AmopTopic)]`, which is the \
                 other way to make a topic",
            );
        } else if path.segments.len() == 2
            && path.segments[0].ident == "amop"
            && path.segments[1].ident == "topic"
        {
            errors.on(
                attr,
                "a type belongs to one topic: remove one `#[amop::topic]`; the functions ending in \
                 `_to` and `_of` take other topics",
            );
        }
    }
}

/// Removes attributes that would only cause further errors: the macros that declare them are not
/// expanded.
pub(crate) fn strip(item: &mut DeriveInput, serde_is_derived: bool) {
    // If the other macro is applied, too, it still needs its options.
    let derived = derives::paths(&item.attrs).iter().any(|path| {
        path.segments
            .last()
            .is_some_and(|last| last.ident == "AmopTopic")
    });
    let keep = |attr: &syn::Attribute| {
        let path = attr.path();
        let amop = path
            .segments
            .first()
            .is_some_and(|first| first.ident == "amop");
        !(amop && !(derived && path.is_ident("amop"))
            || path.is_ident("serde") && !serde_is_derived)
    };
    item.attrs.retain(keep);
    match &mut item.data {
        Data::Struct(data) => {
            for field in &mut data.fields {
                field.attrs.retain(keep);
            }
        }
        Data::Enum(data) => {
            for variant in &mut data.variants {
                variant.attrs.retain(keep);
                for field in &mut variant.fields {
                    field.attrs.retain(keep);
                }
            }
        }
        Data::Union(data) => {
            for field in &mut data.fields.named {
                field.attrs.retain(keep);
            }
        }
    }
}
