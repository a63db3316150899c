//! The attributes that make a struct a topic: `#[amop::topic(...)]` and `#[derive(AmopTopic)]` with
//! `#[amop(...)]`.

use super::{index::Index, types};
use proc_macro2::TokenStream;
use syn::{
    Attribute, Ident, ItemStruct, LitStr, Path, Token, Type, ext::IdentExt, parenthesized,
    parse::ParseStream, punctuated::Punctuated, spanned::Spanned,
};

/// A codec, by its name in the options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CodecOption {
    Text,
    Json,
    Protobuf,
    Bytes,
    /// A type of the program, with a format of its own.
    Own(String),
}

/// The options of a topic.
pub(super) struct TopicAttribute {
    pub(super) topic: String,
    pub(super) private: bool,
    pub(super) sealed: bool,
    pub(super) format: Option<CodecOption>,
    pub(super) reply: Option<Type>,
    pub(super) reply_format: Option<CodecOption>,
}

#[derive(Default)]
struct GivenAttributes {
    topic: Option<LitStr>,
    private: bool,
    sealed: bool,
    format: Option<CodecOption>,
    reply: Option<Type>,
    reply_format: Option<CodecOption>,
    /// The given path of the crate.
    krate: Option<String>,
}

impl TopicAttribute {
    /// Returns the options of a struct in a scope; `None` if it is not a topic.
    pub(super) fn of(index: &Index, scope: usize, item: &ItemStruct) -> syn::Result<Option<Self>> {
        let derived = item.attrs.iter().any(derives_topic);
        let mut given = GivenAttributes::default();
        let mut place = None;
        for attr in &item.attrs {
            if is_topic(index, scope, attr) || derived && attr.path().is_ident("amop") {
                place.get_or_insert(attr.span());
                attr.parse_args_with(|input: ParseStream<'_>| given.read(input))?;
            }
        }
        let Some(place) = place else {
            return Ok(None);
        };
        match given.topic {
            Some(topic) => Ok(Some(Self {
                topic: check(&topic, given.private)?,
                private: given.private,
                sealed: given.sealed,
                format: given.format,
                reply: given.reply,
                reply_format: given.reply_format,
            })),
            None => Err(syn::Error::new(
                place,
                "the topic is missing: write `#[amop::topic(\"hello\")]`",
            )),
        }
    }
}

impl GivenAttributes {
    fn read(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        while !input.is_empty() {
            if input.peek(LitStr) {
                self.topic = Some(input.parse()?);
            } else {
                let name = input.call(Ident::parse_any)?;
                if name == "private" || name == "sealed" {
                    self.private |= name == "private";
                    self.sealed |= name == "sealed";
                    input.parse::<Option<Token![,]>>()?;
                    continue;
                }
                // amop-build writes this option for its macro.
                if name == "without" {
                    let names;
                    parenthesized!(names in input);
                    names.parse::<TokenStream>()?;
                    input.parse::<Option<Token![,]>>()?;
                    continue;
                }
                input.parse::<Token![=]>()?;
                match name.to_string().as_str() {
                    "topic" => self.topic = Some(input.parse()?),
                    "codec" => self.format = Some(codec(input)?),
                    "reply_codec" => self.reply_format = Some(codec(input)?),
                    "reply" if input.peek(LitStr) => {
                        self.reply = Some(input.parse::<LitStr>()?.parse()?);
                    }
                    "reply" => self.reply = Some(input.parse()?),
                    "crate" => self.krate = Some(input.parse::<LitStr>()?.value()),
                    other => {
                        return Err(syn::Error::new(
                            name.span(),
                            format!(
                                "unknown option `{other}`: the options are `codec`, `reply`, \
                                 `reply_codec`, `private`, `sealed` and `crate`"
                            ),
                        ));
                    }
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }
}

/// Returns whether the path is `topic` or `amop::topic`, by the names that the file's imports and
/// the option `crate` define.
fn is_topic(index: &Index, scope: usize, attr: &Attribute) -> bool {
    let names: Vec<_> = attr
        .path()
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    match names.as_slice() {
        [name] => index.is_topic(scope, name),
        [krate, name] if name == "topic" => {
            index.is_crate(scope, krate) || names_crate(attr, krate)
        }
        _ => false,
    }
}

/// Returns whether the options give `amop` this name.
fn names_crate(attr: &Attribute, name: &str) -> bool {
    let mut given = GivenAttributes::default();
    let read = attr.parse_args_with(|input: ParseStream<'_>| given.read(input));
    let krate = given.krate.unwrap_or_default();
    read.is_ok() && krate.trim_start_matches("::") == name
}

fn derives_topic(attr: &Attribute) -> bool {
    attr.path().is_ident("derive")
        && attr
            .parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
            .is_ok_and(|paths| {
                paths
                    .iter()
                    .filter_map(|path| path.segments.last())
                    .any(|last| last.ident == "AmopTopic")
            })
}

/// Reads the name of a codec, or the type of one.
fn codec(input: ParseStream<'_>) -> syn::Result<CodecOption> {
    if input.peek(LitStr) {
        return format(&input.parse()?);
    }
    let ty = input.parse::<Type>()?;
    let own = matches!(&ty, Type::Path(_));
    own.then(|| CodecOption::Own(types::name(&ty)))
        .ok_or_else(|| {
            let codecs = "\"text\", \"json\", \"protobuf\", \"bytes\" or the path of a type";
            syn::Error::new(ty.span(), format!("this is not a codec: write {codecs}"))
        })
}

fn format(name: &LitStr) -> syn::Result<CodecOption> {
    match name.value().as_str() {
        "text" => Ok(CodecOption::Text),
        "json" => Ok(CodecOption::Json),
        "protobuf" => Ok(CodecOption::Protobuf),
        "bytes" => Ok(CodecOption::Bytes),
        other => Err(syn::Error::new(
            name.span(),
            format!(
                "unknown codec {other:?}: the codecs are \"text\", \"json\", \"protobuf\" and \
                 \"bytes\""
            ),
        )),
    }
}

fn check(topic: &LitStr, private: bool) -> syn::Result<String> {
    let name = topic.value();
    let wrong = if name.is_empty() {
        "the topic is empty: give it a name of 1 to 254 bytes"
    } else if name.len() > crate::MAX_TOPIC_LEN {
        "the topic is longer than 254 bytes, which the protocol does not allow: shorten it"
    } else if private && name.len() > crate::MAX_PRIVATE_LEN {
        "the private topic is longer than 185 bytes, which the protocol does not allow: shorten it"
    } else if name.contains('\t') {
        "the topic contains a tab, which nodes use to separate topics: remove it"
    } else {
        return Ok(name);
    };
    Err(syn::Error::new(topic.span(), wrong))
}
