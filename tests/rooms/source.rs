//! Reads the parts of Rust source text that say what a file imports.

use std::iter::Peekable;

/// A part of source text. Comments, literals and lifetimes are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    /// `::`
    Then,
    Sign(char),
}

/// What a module says, inline modules and test code left out.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The modules that are files of their own.
    pub(super) files: Vec<String>,
    /// The modules that are in the same file.
    pub(super) inline: Vec<(String, Module)>,
    pub(super) uses: Vec<Use>,
    /// The names of its items.
    pub(super) items: Vec<String>,
    /// Paths in its code, and names that are not part of a path.
    pub(super) paths: Vec<Vec<String>>,
}

/// One name that a `use` brings.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// The name it has here; `*` for all names of the path.
    pub(super) name: String,
    /// Whether others can import it from here.
    pub(super) is_public: bool,
}

impl Module {
    pub(super) fn read(text: &str) -> Self {
        let tokens = without_tests(tokens(text));
        let mut module = Self::default();
        module.take(&mut tokens.into_iter().peekable(), false);
        module
    }

    /// Reads the tokens of a module, up to the brace that ends it if it is inline.
    fn take(&mut self, tokens: &mut Peekable<impl Iterator<Item = Token>>, is_inline: bool) {
        let mut depth = 0;
        let mut is_public = false;
        while let Some(token) = tokens.next() {
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') if depth == 0 && is_inline => return,
                Token::Sign('}') => depth -= 1,
                Token::Name(name) => match &*name {
                    "pub" => {
                        is_public = true;
                        continue;
                    }
                    "use" => self.take_use(tokens, is_public),
                    "mod" => self.take_mod(tokens),
                    "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static"
                        if depth == 0 =>
                    {
                        if let Some(Token::Name(item)) = tokens.peek() {
                            self.items.push(item.clone());
                        }
                    }
                    _ => self.take_path(name, tokens),
                },
                // The place in `pub(super)` and the like is not a path.
                Token::Sign('(') if is_public => {
                    while tokens.next().is_some_and(|token| token != Token::Sign(')')) {}
                    continue;
                }
                Token::Sign(_) | Token::Then => {}
            }
            is_public = false;
        }
    }

    fn take_path(&mut self, first: String, tokens: &mut Peekable<impl Iterator<Item = Token>>) {
        let mut path = vec![first];
        while tokens.next_if_eq(&Token::Then).is_some() {
            match tokens.next_if(|token| matches!(token, Token::Name(_))) {
                Some(Token::Name(name)) => path.push(name),
                _ => break,
            }
        }
        self.paths.push(path);
    }

    fn take_mod(&mut self, tokens: &mut Peekable<impl Iterator<Item = Token>>) {
        let Some(Token::Name(name)) = tokens.next() else {
            return;
        };
        match tokens.next() {
            Some(Token::Sign('{')) => {
                let mut inline = Self::default();
                inline.take(tokens, true);
                self.inline.push((name, inline));
            }
            _ => self.files.push(name),
        }
    }

    fn take_use(&mut self, tokens: &mut Peekable<impl Iterator<Item = Token>>, is_public: bool) {
        let tokens: Vec<Token> = tokens
            .take_while(|token| *token != Token::Sign(';'))
            .collect();
        self.take_tree(&[], &mut tokens.into_iter().peekable(), is_public);
    }

    /// Reads one branch of a `use`, up to a comma or a brace.
    fn take_tree(
        &mut self,
        prefix: &[String],
        tokens: &mut Peekable<impl Iterator<Item = Token>>,
        is_public: bool,
    ) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        while let Some(token) =
            tokens.next_if(|token| !matches!(token, Token::Sign(',') | Token::Sign('}')))
        {
            match token {
                Token::Name(name) if name == "as" => match tokens.next() {
                    Some(Token::Name(name)) => alias = Some(name),
                    _ => return,
                },
                Token::Name(name) => path.push(name),
                Token::Sign('*') => alias = Some("*".to_owned()),
                Token::Sign('{') => loop {
                    self.take_tree(&path, tokens, is_public);
                    if tokens.next().is_none_or(|token| token == Token::Sign('}')) {
                        return;
                    }
                },
                Token::Then | Token::Sign(_) => {}
            }
        }
        if path.len() > prefix.len() || alias.is_some() {
            // `use a::{self}` names the module itself.
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
            self.uses.push(Use {
                path,
                name,
                is_public,
            });
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = literal(rest) {
            len
        } else if rest.starts_with("::") {
            found.push(Token::Then);
            2
        } else if is_word(c) {
            let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if !c.is_numeric() {
                found.push(Token::Name(rest[..len].to_owned()));
            }
            len
        } else {
            if !c.is_whitespace() {
                found.push(Token::Sign(c));
            }
            c.len_utf8()
        };
        rest = &rest[len..];
    }
    found
}

/// Returns the length of the literal or lifetime at the beginning of a text, if there is one.
fn literal(text: &str) -> Option<usize> {
    let raw = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - raw.len();
    if let Some(raw) = raw.strip_prefix('r').filter(|_| prefix <= 1) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(content) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let at = content.find(&end)?;
            return Some(prefix + 1 + hashes + 1 + at + end.len());
        }
    }
    let quote = raw.chars().next().filter(|_| prefix <= 1)?;
    if quote == '\'' {
        let mut chars = raw[1..].chars();
        // A lifetime has no quote at its end.
        if chars.next() != Some('\\') && chars.next() != Some('\'') {
            let name = raw[1..].find(|c: char| !c.is_alphanumeric() && c != '_');
            return Some(prefix + 1 + name.unwrap_or(raw.len() - 1));
        }
    } else if quote != '"' {
        return None;
    }
    let mut escaped = false;
    let end = raw[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(prefix + 1 + end? + 1)
}

/// Removes attributes, and items that only tests have.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] != Token::Sign('#') {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = group_end(&tokens, at + 1);
        let is = |word: &str| {
            tokens[at..end]
                .iter()
                .any(|token| *token == Token::Name(word.to_owned()))
        };
        at = if is("cfg") && is("test") && !is("not") {
            item_end(&tokens, end)
        } else {
            end
        };
    }
    kept
}

/// Returns where the bracketed group that begins at `at`, or after a sign there, ends.
fn group_end(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns where the item that begins at `at` ends.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign(';') => return at + 1,
            Token::Sign('{') => return group_end(tokens, at),
            Token::Sign('(' | '[') => at = group_end(tokens, at),
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_and_paths_are_read_and_texts_and_tests_are_not() {
        let module = Module::read(
            r##"
            //! use crate::comment;
            use super::{a::{B, c as d}, e::*, f::{self}};
            pub(super) use self::g::H;
            mod i;
            mod j { use super::k::L; }
            #[cfg(test)]
            mod tests { use crate::m; }
            pub(crate) fn n<'a>(o: &'a str) -> [u8; 2] {
                let q = '\''; let r = ['"', '{']; let s = r#"use crate::t;"#;
                crate::u::v(b"\"use crate::w;", q)
            }
            "##,
        );
        let uses: Vec<_> = module
            .uses
            .iter()
            .map(|one| (one.path.join("::"), &*one.name, one.is_public))
            .collect();
        let expected = [
            ("super::a::B", "B", false),
            ("super::a::c", "d", false),
            ("super::e", "*", false),
            ("super::f", "f", false),
            ("self::g::H", "H", true),
        ];
        assert_eq!(
            uses,
            expected.map(|(path, name, public)| (path.to_owned(), name, public))
        );
        assert_eq!(module.files, ["i"]);
        assert_eq!(module.inline[0].1.uses[0].path, ["super", "k", "L"]);
        assert_eq!(module.items, ["n"]);
        let long = module.paths.iter().filter(|path| path.len() > 1);
        assert_eq!(long.collect::<Vec<_>>(), [&["crate", "u", "v"]]);
    }
}
