//! The effect of `#[cfg(...)]`. Files are read without a build, so only code for tests is known to
//! be left out. Code under features may exist or not.

use syn::{Attribute, Field, Fields, ItemEnum, Meta, Token, parse_quote, punctuated::Punctuated};

/// Whether an item is compiled outside of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Never,
    Perhaps,
    Always,
}

/// Replaces `#[cfg_attr(...)]` by the attributes that it may add. Returns whether the item may be
/// compiled at all.
pub(super) fn apply(attrs: &mut Vec<Attribute>) -> bool {
    let mut all = Vec::new();
    for attr in attrs.drain(..) {
        if attr.path().is_ident("cfg_attr") {
            let parts = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let mut parts = parts.into_iter().flatten();
            let condition = parts.next().map_or(Holds::Never, |meta| holds(&meta));
            if condition != Holds::Never {
                all.extend(parts.map(|meta| -> Attribute { parse_quote!(#[#meta]) }));
            }
        } else {
            all.push(attr);
        }
    }
    *attrs = all;
    is_possible(attrs)
}

/// Returns whether an item with these attributes may be compiled outside of tests.
pub(super) fn is_possible(attrs: &[Attribute]) -> bool {
    conditions(attrs).all(|holds| holds != Holds::Never)
}

/// Returns whether a field exists only in some builds.
pub(super) fn is_uncertain(attrs: &[Attribute]) -> bool {
    conditions(attrs).any(|holds| holds == Holds::Perhaps)
}

/// Removes the fields that never exist. Other fields that may be missing become optional for serde,
/// too.
pub(super) fn of_fields(fields: &mut Fields) {
    let keep = |mut field: Field| {
        if !apply(&mut field.attrs) {
            return None;
        }
        if is_uncertain(&field.attrs) {
            field.attrs.push(parse_quote!(#[serde(default)]));
        }
        Some(field)
    };
    match fields {
        Fields::Named(fields) => {
            fields.named = std::mem::take(&mut fields.named)
                .into_iter()
                .filter_map(keep)
                .collect();
        }
        Fields::Unnamed(fields) => {
            fields.unnamed = std::mem::take(&mut fields.unnamed)
                .into_iter()
                .filter_map(keep)
                .collect();
        }
        Fields::Unit => {}
    }
}

/// Removes the variants that never exist, and such fields of the others.
pub(super) fn of_variants(item: &mut ItemEnum) {
    let variants = std::mem::take(&mut item.variants).into_iter();
    let kept = variants.filter_map(|mut variant| {
        if !apply(&mut variant.attrs) {
            return None;
        }
        of_fields(&mut variant.fields);
        Some(variant)
    });
    item.variants = kept.collect();
}

fn conditions(attrs: &[Attribute]) -> impl Iterator<Item = Holds> {
    let conditions = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    conditions.map(|attr| {
        let meta = attr.parse_args::<Meta>();
        meta.map_or(Holds::Perhaps, |meta| holds(&meta))
    })
}

fn holds(condition: &Meta) -> Holds {
    let Meta::List(list) = condition else {
        return if condition.path().is_ident("test") {
            Holds::Never
        } else {
            Holds::Perhaps
        };
    };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let Ok(parts) = parts else {
        return Holds::Perhaps;
    };
    let parts: Vec<Holds> = parts.iter().map(holds).collect();
    let (one, all) = if list.path.is_ident("all") {
        (Holds::Never, Holds::Always)
    } else if list.path.is_ident("any") {
        (Holds::Always, Holds::Never)
    } else if list.path.is_ident("not") {
        return match parts.as_slice() {
            [Holds::Never] => Holds::Always,
            [Holds::Always] => Holds::Never,
            _ => Holds::Perhaps,
        };
    } else {
        return Holds::Perhaps;
    };
    if parts.contains(&one) {
        one
    } else if parts.iter().all(|part| *part == all) {
        all
    } else {
        Holds::Perhaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_far_as_is_known() {
        for (condition, expected) in [
            (parse_quote!(test), Holds::Never),
            (parse_quote!(feature = "x"), Holds::Perhaps),
            (parse_quote!(all()), Holds::Always),
            (parse_quote!(any()), Holds::Never),
            (parse_quote!(all(unix, test)), Holds::Never),
            (parse_quote!(all(unix, not(test))), Holds::Perhaps),
            (parse_quote!(any(unix, not(test))), Holds::Always),
            (parse_quote!(not(feature = "x")), Holds::Perhaps),
        ] {
            let condition: Meta = condition;
            assert_eq!(holds(&condition), expected);
        }
    }
}
