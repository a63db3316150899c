//! Serde's derives, which `#[amop::topic]` adds where JSON needs them.

use crate::options::Settings;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, DeriveInput, Path, Token, punctuated::Punctuated};

/// Which of serde's derives stand below the macro.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) serialize: bool,
    pub(crate) deserialize: bool,
}

impl Derived {
    /// Looks at an item's attributes. The compiler has replaced `#[cfg_attr(...)]` among them
    /// before any macro sees the item.
    pub(crate) fn of(item: &DeriveInput) -> Self {
        let mut found = Self::default();
        for path in paths(&item.attrs) {
            found.serialize |= is_serde(&path, "Serialize");
            found.deserialize |= is_serde(&path, "Deserialize");
        }
        found
    }

    /// Whether there is nothing to add.
    pub(crate) fn both(self) -> bool {
        self.serialize && self.deserialize
    }
}

/// What the item's `#[derive(...)]` attributes list.
pub(crate) fn paths(attrs: &[Attribute]) -> Vec<Path> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("derive"))
        // What is no list of paths is the compiler's to report.
        .filter_map(|attr| {
            attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .collect()
}

/// Whether a derive's path is serde's: other crates, such as rkyv, use the same names.
fn is_serde(path: &Path, name: &str) -> bool {
    let mut segments = path.segments.iter().rev();
    segments.next().is_some_and(|last| last.ident == name)
        && segments
            .next()
            .is_none_or(|krate| krate.ident == "serde" || krate.ident == "serde_derive")
}

/// The missing derives. They go above the item's own attributes, so that `#[serde(...)]` among
/// those is known.
pub(crate) fn missing(item: &DeriveInput, settings: &Settings) -> TokenStream {
    let derived = Derived::of(item);
    if derived.both() {
        return TokenStream::new();
    }
    let krate = &settings.krate;
    let serialize =
        (!derived.serialize).then(|| quote!(#[derive(#krate::__private::serde::Serialize)]));
    let deserialize =
        (!derived.deserialize).then(|| quote!(#[derive(#krate::__private::serde::Deserialize)]));

    // The user's crate need not depend on serde.
    let path = (!has_option(&item.attrs, "crate")).then(|| {
        let path = quote!(#krate::__private::serde).to_string();
        quote!(#[serde(crate = #path)])
    });
    // A struct's own bounds must be enough for the codec, so serde need not add any. It must not:
    // `T: Deserialize<'de>` besides `T: DeserializeOwned` is ambiguous.
    let generic = item.generics.type_params().next().is_some();
    let bound =
        (generic && !has_option(&item.attrs, "bound")).then(|| quote!(#[serde(bound = "")]));
    quote!(#serialize #deserialize #path #bound)
}

/// Whether `#[serde(...)]` on the struct has an option of that name.
fn has_option(attrs: &[Attribute], name: &str) -> bool {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.meta.require_list().ok())
        .any(|list| {
            // Names stand at the top level, behind commas; `crate` is no path for `Meta`.
            let mut start = true;
            list.tokens.clone().into_iter().any(|token| {
                let found = start && token.to_token_stream().to_string() == name;
                start = matches!(&token, proc_macro2::TokenTree::Punct(p) if p.as_char() == ',');
                found
            })
        })
}
