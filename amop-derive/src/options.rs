//! Reads the options of `#[amop::topic(...)]` and `#[amop(...)]`, in such a way that one mistake
//! does not hide the next.

use crate::{errors::Errors, format::CodecName, suggest};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{
    Expr, Ident, LitStr, Path, Token, Type,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    parse_quote,
};

/// The length of the longest topic in bytes: the length byte on the wire counts itself (channel-v2
/// section 7.1). The same as `amop_proto::MAX_TOPIC_LEN`.
pub(crate) const MAX_TOPIC_LEN: usize = 254;

/// The length of the longest private topic in bytes: on the wire it has prefixes and a suffix
/// (channel-v2 section 9.1). The same as `amop_proto::channel::MAX_PRIVATE_LEN`.
pub(crate) const MAX_PRIVATE_LEN: usize = 185;

/// The macro that the options belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacroForm {
    /// `#[amop::topic("hello", ...)]`
    Attribute,
    /// `#[derive(AmopTopic)]` with `#[amop(topic = "hello", ...)]`
    Derive,
}

impl MacroForm {
    fn known(self) -> &'static [&'static str] {
        let all = &[
            "topic",
            "codec",
            "reply",
            "reply_codec",
            "private",
            "sealed",
            "crate",
        ];
        match self {
            Self::Attribute => &all[1..],
            Self::Derive => all,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Attribute => "#[amop::topic(\"hello\")]",
            Self::Derive => "#[amop(topic = \"hello\")]",
        }
    }
}

/// An option's value, and the place where the option was given first. The value is `None` if it was
/// wrong.
struct GivenOption<T> {
    name: Span,
    value: Option<T>,
}

/// The options as they were given.
pub(crate) struct MacroOptions {
    form: MacroForm,
    topic: Option<GivenOption<LitStr>>,
    codec: Option<GivenOption<(CodecName, Span)>>,
    reply: Option<GivenOption<Type>>,
    reply_codec: Option<GivenOption<(CodecName, Span)>>,
    private: Option<GivenOption<()>>,
    sealed: Option<GivenOption<()>>,
    krate: Option<GivenOption<Path>>,
    /// The codec, if it is a type of the user.
    codec_type: Option<Type>,
    reply_codec_type: Option<Type>,
    without: Vec<Ident>,
}

impl MacroOptions {
    /// Creates options without values.
    pub(crate) fn new(form: MacroForm) -> Self {
        Self {
            form,
            topic: None,
            codec: None,
            reply: None,
            reply_codec: None,
            private: None,
            sealed: None,
            krate: None,
            codec_type: None,
            reply_codec_type: None,
            without: Vec::new(),
        }
    }

    /// Reads a comma-separated list of options.
    pub(crate) fn read(&mut self, tokens: TokenStream, errors: &mut Errors) {
        let result = (|input: ParseStream<'_>| {
            while !input.is_empty() {
                let option = self.read_one(input);
                let ok = option.is_ok();
                errors.keep(option);
                if ok && !input.is_empty() && !input.peek(Token![,]) {
                    errors.push(input.error("expected `,` between two options"));
                }
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        })
        .parse2(tokens);
        errors.keep(result);
    }

    fn read_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // A single word in the topic's place is probably a constant and not an option.
        let topic = self.form == MacroForm::Attribute && self.topic.is_none();
        let option = input.peek(Ident::peek_any)
            && !input.peek2(Token![::])
            && !input.peek2(Token![!])
            && (input.peek2(Token![=]) || !topic || self.form.known().contains(&&*word(input)));
        if !option {
            return self.read_positional(input);
        }

        let name = input.call(Ident::parse_any)?;
        let known = self.form.known();
        match name.to_string().as_str() {
            "topic" if self.form == MacroForm::Derive => set(&mut self.topic, &name, || {
                let lit = string(input, &name, "\"hello\"")?;
                check_topic(lit)
            }),
            "topic" => {
                // The value is read anyway, so that the topic is not also reported as missing.
                set(&mut self.topic, &name, || string(input, &name, "\"hello\""))?;
                Err(syn::Error::new(
                    name.span(),
                    "the topic is not a named option here: write `#[amop::topic(\"hello\")]`",
                ))
            }
            "codec" => {
                let of = &mut self.codec_type;
                set(&mut self.codec, &name, || codec(input, &name, of))
            }
            "reply_codec" => {
                let of = &mut self.reply_codec_type;
                set(&mut self.reply_codec, &name, || codec(input, &name, of))
            }
            // Used by amop-build if a message's own functions have the same names as the generated
            // ones.
            "without" => {
                let names;
                syn::parenthesized!(names in input);
                let names = names.parse_terminated(Ident::parse_any, Token![,])?;
                self.without.extend(names);
                Ok(())
            }
            "reply" => set(&mut self.reply, &name, || reply(input, &name)),
            "private" => set(&mut self.private, &name, || flag(input, &name)),
            "sealed" => set(&mut self.sealed, &name, || flag(input, &name)),
            "crate" => set(&mut self.krate, &name, || {
                let lit = string(input, &name, "\"path::to::amop\"")?;
                lit.parse_with(Path::parse_mod_style).map_err(|_| {
                    syn::Error::new(
                        lit.span(),
                        "this is not a path: name the amop crate, as in `crate = \"::amop\"`",
                    )
                })
            }),
            other => {
                let list = known
                    .iter()
                    .map(|known| format!("`{known}`"))
                    .collect::<Vec<_>>();
                Err(syn::Error::new(
                    name.span(),
                    format!(
                        "unknown option `{other}`{}: the options are {}",
                        suggest::hint(other, known, &[]),
                        list.join(", ")
                    ),
                ))
            }
        }
    }

    /// Reads the topic of the attribute form.
    fn read_positional(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let start = input.span();
        let first = self.topic.is_none();
        self.topic_is_wrong(start);
        let expr: Expr = input
            .parse()
            .map_err(|_| syn::Error::new(start, "this is neither a topic nor an option"))?;
        if self.form == MacroForm::Derive {
            return Err(syn::Error::new_spanned(
                expr,
                "options have names here: write the topic as `#[amop(topic = \"hello\")]`",
            ));
        }
        if !first {
            return Err(syn::Error::new_spanned(
                expr,
                "the topic was already given: remove one",
            ));
        }
        let lit = check_topic(literal(expr, "the topic", self.form.example())?)?;
        if let Some(given) = &mut self.topic {
            given.value = Some(lit);
        }
        Ok(())
    }

    /// Records that the topic was given but is wrong, so that it is not also reported as missing.
    pub(crate) fn topic_is_wrong(&mut self, place: Span) {
        self.topic.get_or_insert(GivenOption {
            name: place,
            value: None,
        });
    }

    /// Checks the options after all are read, and returns their values.
    pub(crate) fn finish(self, errors: &mut Errors) -> CheckedOptions {
        if self.topic.is_none() {
            let wanted = match self.form {
                MacroForm::Attribute => "it comes first, as in",
                MacroForm::Derive => "add",
            };
            errors.at(
                Span::call_site(),
                format!("the topic is missing: {wanted} `{}`", self.form.example()),
            );
        }
        if let (Some(codec), None) = (&self.reply_codec, &self.reply) {
            errors.at(
                codec.name,
                "`reply_codec` is for topics with a typed reply: add `reply = YourReply` or \
                 remove it",
            );
        }
        let private = self.private.is_some();
        if private
            && let Some(GivenOption {
                value: Some(topic), ..
            }) = &self.topic
            && topic.value().len() > MAX_PRIVATE_LEN
        {
            let len = topic.value().len();
            errors.at(
                topic.span(),
                format!(
                    "the private topic is {len} bytes long and the protocol allows \
                     {MAX_PRIVATE_LEN}: shorten it by {}",
                    len - MAX_PRIVATE_LEN
                ),
            );
        }
        if let (Some(private), Some(_)) = (&self.private, &self.sealed) {
            errors.at(
                private.name,
                "a topic cannot be private and sealed: remove `private`, because only the holders \
                 of the keys can read sealed messages",
            );
        }
        let codec_failed = matches!(&self.codec, Some(GivenOption { value: None, .. }));
        CheckedOptions {
            form: self.form,
            topic: value(self.topic),
            codec: value(self.codec),
            codec_failed,
            reply: value(self.reply),
            reply_codec: value(self.reply_codec),
            private,
            sealed: self.sealed.is_some(),
            krate: value(self.krate).unwrap_or_else(|| parse_quote!(::amop)),
            codec_type: self.codec_type,
            reply_codec_type: self.reply_codec_type,
            without: self.without,
        }
    }
}

/// The values of the options; `None` for options that were not given, or were wrong and reported.
pub(crate) struct CheckedOptions {
    pub(crate) form: MacroForm,
    pub(crate) topic: Option<LitStr>,
    /// The codec and the place where it was chosen.
    pub(crate) codec: Option<(CodecName, Span)>,
    /// A codec was given, but it is not a known one.
    pub(crate) codec_failed: bool,
    pub(crate) reply: Option<Type>,
    pub(crate) reply_codec: Option<(CodecName, Span)>,
    pub(crate) private: bool,
    pub(crate) sealed: bool,
    pub(crate) krate: Path,
    /// The codec, if it is a type of the user.
    pub(crate) codec_type: Option<Type>,
    pub(crate) reply_codec_type: Option<Type>,
    /// Functions that are not generated.
    pub(crate) without: Vec<Ident>,
}

fn value<T>(given: Option<GivenOption<T>>) -> Option<T> {
    given.and_then(|given| given.value)
}

/// Returns the next word without consuming it.
fn word(input: ParseStream<'_>) -> String {
    input
        .fork()
        .call(Ident::parse_any)
        .map_or_else(|_| String::new(), |word| word.to_string())
}

/// Reads an option's value into its slot; an error if the option was given before.
fn set<T>(
    slot: &mut Option<GivenOption<T>>,
    name: &Ident,
    read: impl FnOnce() -> syn::Result<T>,
) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(
            name.span(),
            format!("`{name}` is given twice: remove one"),
        ));
    }
    let given = slot.insert(GivenOption {
        name: name.span(),
        value: None,
    });
    given.value = Some(read()?);
    Ok(())
}

/// Reads the `=` and checks that a value follows.
fn equals(input: ParseStream<'_>, name: &Ident, example: &str) -> syn::Result<()> {
    let missing = || {
        syn::Error::new(
            name.span(),
            format!("`{name}` needs a value: write `{name} = {example}`"),
        )
    };
    input
        .parse::<Option<Token![=]>>()?
        .filter(|_| !input.is_empty() && !input.peek(Token![,]))
        .map(|_| ())
        .ok_or_else(missing)
}

fn string(input: ParseStream<'_>, name: &Ident, example: &str) -> syn::Result<LitStr> {
    equals(input, name, example)?;
    let start = input.span();
    let what = format!("`{name}`");
    let example = format!("{name} = {example}");
    match input.parse() {
        Ok(expr) => literal(expr, &what, &example),
        Err(_) => Err(syn::Error::new(start, not_a_literal(&what, &example))),
    }
}

/// Checks that an option has no value.
fn flag(input: ParseStream<'_>, name: &Ident) -> syn::Result<()> {
    if input.peek(Token![=]) {
        return Err(input.error(format!("`{name}` has no value: write `{name}` alone")));
    }
    Ok(())
}

/// Returns the string of an expression, which must be a string literal.
fn literal(expr: Expr, what: &str, example: &str) -> syn::Result<LitStr> {
    let mut inner = &expr;
    while let Expr::Group(group) = inner {
        inner = &group.expr;
    }
    match inner {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(lit),
            ..
        }) => Ok(lit.clone()),
        _ => Err(syn::Error::new_spanned(expr, not_a_literal(what, example))),
    }
}

fn not_a_literal(what: &str, example: &str) -> String {
    format!(
        "{what} must be a string literal, as in `{example}`: macros cannot read constants or \
         call functions"
    )
}

/// Reads the name of a codec, or a type that is a codec.
fn codec(
    input: ParseStream<'_>,
    name: &Ident,
    of: &mut Option<Type>,
) -> syn::Result<(CodecName, Span)> {
    if let Some((ty, span)) = codec_type(input) {
        *of = Some(ty);
        return Ok((CodecName::Own, span));
    }
    let lit = string(input, name, "\"json\"")?;
    Ok((CodecName::parse(&lit)?, lit.span()))
}

/// Reads the type after `=`, if there is the path of a type. A word in lower case is a codec's name
/// without quotes.
fn codec_type(input: ParseStream<'_>) -> Option<(Type, Span)> {
    let ahead = input.fork();
    ahead.parse::<Token![=]>().ok()?;
    let span = ahead.span();
    let Type::Path(path) = ahead.parse().ok()? else {
        return None;
    };
    let last = path.path.segments.last()?.ident.to_string();
    if !last.starts_with(char::is_uppercase) || !(ahead.is_empty() || ahead.peek(Token![,])) {
        return None;
    }
    input.parse::<Token![=]>().ok()?;
    input.parse().ok().map(|ty| (ty, span))
}

/// Reads a type, or a string with a type.
fn reply(input: ParseStream<'_>, name: &Ident) -> syn::Result<Type> {
    equals(input, name, "QuoteReply")?;
    let start = input.span();
    let (parsed, span) = if input.peek(LitStr) {
        let lit: LitStr = input.parse()?;
        (lit.parse(), lit.span())
    } else {
        (input.parse(), start)
    };
    parsed.map_err(|_| {
        syn::Error::new(
            span,
            "this is not a type: name the reply's type, as in `reply = QuoteReply`",
        )
    })
}

fn check_topic(lit: LitStr) -> syn::Result<LitStr> {
    let topic = lit.value();
    let wrong = if topic.is_empty() {
        format!("the topic is empty: give it a name of 1 to {MAX_TOPIC_LEN} bytes")
    } else if topic.len() > MAX_TOPIC_LEN {
        format!(
            "the topic is {} bytes long and the protocol allows {MAX_TOPIC_LEN}: shorten it by {}",
            topic.len(),
            topic.len() - MAX_TOPIC_LEN
        )
    } else if topic.contains('\t') {
        "the topic contains a tab, which nodes use to separate topics: remove it".to_owned()
    } else {
        return Ok(lit);
    };
    Err(syn::Error::new(lit.span(), wrong))
}
