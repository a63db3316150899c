//! Comments of schemas as documentation. Their authors do not write for rustdoc, which would
//! compile and run code blocks as tests.

use quote::ToTokens as _;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, parse_quote, visit_mut::VisitMut};

/// Marks the code blocks in all comments as text.
pub(crate) fn harmless(file: &mut syn::File) {
    DocComments.visit_file_mut(file);
}

struct DocComments;

impl VisitMut for DocComments {
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        let Some(place) = attrs.iter().position(|attr| line(attr).is_some()) else {
            return;
        };
        let lines: Vec<String> = attrs.iter().filter_map(line).collect();
        let text: Vec<&str> = lines.iter().flat_map(|line| line.split('\n')).collect();
        let harmless = text_only(&text);
        if harmless == text {
            return;
        }
        attrs.retain(|attr| line(attr).is_none());
        let new = harmless.iter().map(|line| parse_quote!(#[doc = #line]));
        attrs.splice(place..place, new.collect::<Vec<Attribute>>());
    }
}

/// Returns the text of a comment line.
fn line(attr: &Attribute) -> Option<String> {
    match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value()),
            other => Some(other.to_token_stream().to_string()),
        },
        _ => None,
    }
}

/// Returns the fence that opens or closes a code block: its character and its length.
fn fence(line: &str) -> Option<(char, usize)> {
    let rest = line.trim_start_matches(' ');
    // One space belongs to the comment; four more mean that it is not a fence.
    if line.len() - rest.len() > 4 {
        return None;
    }
    let sign = rest
        .chars()
        .next()
        .filter(|sign| matches!(sign, '`' | '~'))?;
    let len = rest.chars().take_while(|c| *c == sign).count();
    (len >= 3).then_some((sign, len))
}

/// Returns the lines with every code block marked as text. Only blocks with fences remain code
/// blocks.
fn text_only(lines: &[&str]) -> Vec<String> {
    let mut out = Vec::with_capacity(lines.len());
    let mut open: Option<(char, usize)> = None;
    for line in lines {
        match (open, fence(line)) {
            (None, Some((sign, len))) => {
                let fence: String = std::iter::repeat_n(sign, len).collect();
                out.push(format!(" {fence}text"));
                open = Some((sign, len));
            }
            (Some((sign, len)), Some((other, more)))
                if sign == other && more >= len && line.trim().chars().all(|c| c == sign) =>
            {
                out.push(line.to_string());
                open = None;
            }
            (Some(_), _) => out.push(line.to_string()),
            (None, None) => out.push(prose(line)),
        }
    }
    if let Some((sign, len)) = open {
        let fence: String = std::iter::repeat_n(sign, len).collect();
        out.push(format!(" {fence}"));
    }
    out
}

/// Returns the line in a form that Markdown does not read as a code block or HTML.
fn prose(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // Quotes and lists may contain blocks, so the text after their markers is checked, too.
    loop {
        let word = rest.trim_start_matches([' ', '\t']);
        let space = rest.len() - word.len();
        let tabs = rest[..space].contains('\t');
        out.push_str(if tabs || space > 4 {
            "   "
        } else {
            &rest[..space]
        });
        let sign = word.find([' ', '\t']).map_or(word, |end| &word[..end]);
        let is_sign = matches!(sign, ">" | "-" | "*" | "+")
            || sign.len() > 1
                && sign.ends_with(['.', ')'])
                && sign[..sign.len() - 1]
                    .bytes()
                    .all(|byte| byte.is_ascii_digit());
        if is_sign {
            out.push_str(sign);
            rest = &word[sign.len()..];
            let next = rest.trim_start_matches([' ', '\t']);
            if rest.len() != next.len() {
                out.push(' ');
            }
            rest = next;
        } else {
            rest = word;
            break;
        }
    }
    // Fences after such markers.
    let mut signs = 0;
    let mut last = '\0';
    for (at, c) in rest.char_indices() {
        signs = if c == last { signs + 1 } else { 1 };
        let fence = matches!(c, '`' | '~') && signs > 2;
        // prost-build turns addresses into links. They stay.
        let link = rest[at..].trim_start_matches('<').starts_with("http");
        let tag = c == '<' && last != '\\' && !link;
        last = c;
        if tag {
            out.push('\\');
        }
        if !fence {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
