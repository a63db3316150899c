//! Fills the templates in.

use super::{Topic, sample::TEXT};

/// A topic's programs as the templates see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// What the names of the programs begin with.
    pub prefix: String,
    /// The path of the module with the message, the options and `timestamp`.
    pub module: String,
    /// The name of the message's type in that module.
    pub type_name: String,
    /// For text payloads, the field with the text.
    pub text_field: Option<String>,
    /// The expression of the message that publishers send, in which `n` is its number and
    /// `{{text}}` the literal for `format!` of the documented demos' text.
    pub message: String,
    /// Whether the expression uses `n`.
    pub uses_number: bool,
}

impl Programs {
    /// All programs: their names and texts.
    pub fn all(&self) -> [(String, String); 3] {
        [
            (self.name("subscriber"), subscriber(self)),
            (self.name("unicast_publisher"), unicast_publisher(self)),
            (self.name("multicast_publisher"), multicast_publisher(self)),
        ]
    }

    fn name(&self, program: &str) -> String {
        format!("{}{program}", self.prefix)
    }

    fn uses(&self, options: &str) -> String {
        let mut uses = [self.type_name.as_str(), options];
        uses.sort_unstable();
        format!("{}, timestamp", uses.join(", "))
    }

    /// How a message is printed: a placeholder for `format!` and an expression.
    fn shown(&self) -> (&str, String) {
        match &self.text_field {
            Some(field) => ("{}", format!("message.{field}")),
            None => ("{:?}", "message".to_owned()),
        }
    }
}

/// The program that prints every message of a topic.
pub fn subscriber(programs: &Programs) -> String {
    let (format, shown) = programs.shown();
    fill(
        include_str!("../../templates/subscriber.rs.in"),
        &[
            ("bin", &programs.name("subscriber")),
            ("module", &programs.module),
            ("subscriber_uses", &programs.uses("SubscriberOptions")),
            ("type", &programs.type_name),
            ("format", format),
            ("shown", &shown),
        ],
    )
}

/// The program that publishes to one subscriber of a topic.
pub fn unicast_publisher(programs: &Programs) -> String {
    publisher(programs, "unicast", "one random subscriber", "unique")
}

/// The program that publishes to all subscribers of a topic.
pub fn multicast_publisher(programs: &Programs) -> String {
    publisher(programs, "multicast", "every subscriber", "multi")
}

fn publisher(programs: &Programs, kind: &str, receivers: &str, who: &str) -> String {
    let text = format!("\"hello, FISCO BCOS, I am {who} broadcast publisher! {{n}}\"");
    let (format, shown) = programs.shown();
    fill(
        include_str!("../../templates/publisher.rs.in"),
        &[
            ("bin", &programs.name(&format!("{kind}_publisher"))),
            ("receivers", receivers),
            ("module", &programs.module),
            ("publisher_uses", &programs.uses("PublisherOptions")),
            ("n", if programs.uses_number { "n" } else { "_" }),
            ("message", &programs.message.replace(TEXT, &text)),
            ("format", format),
            ("shown", &shown),
            ("publish", &format!("publish_{kind}_to")),
        ],
    )
}

/// What the programs of a topic share.
pub(super) fn topic(topic: &Topic<'_>) -> String {
    let programs = &topic.programs;
    let mut path = format!("crate::proto::{}", topic.path);
    if path.rsplit("::").next() != Some(&programs.type_name) {
        path = format!("{path} as {}", programs.type_name);
    }
    fill(
        include_str!("../../templates/topic.rs.in"),
        &[("path", &path), ("type", &programs.type_name)],
    )
}

pub(super) fn library(topics: &[Topic<'_>]) -> String {
    let module = |topic: &Topic<'_>| format!("pub mod {};\n", topic.module);
    let mut modules: Vec<String> = topics.iter().map(module).collect();
    modules.sort_unstable();
    fill(
        include_str!("../../templates/lib.rs.in"),
        &[("modules", &modules.concat())],
    )
}

pub(super) fn build_script(files: &[&str]) -> String {
    let name = |file: &str| format!("{:?}", format!("proto/{file}"));
    // As rustfmt would write it.
    let compile = match files {
        [file] => format!("&[{}], &[\"proto\"]", name(file)),
        files => {
            let line = |file: &&str| format!("                {},\n", name(file));
            let lines: String = files.iter().map(line).collect();
            format!("\n            &[\n{lines}            ],\n            &[\"proto\"],\n        ")
        }
    };
    fill(
        include_str!("../../templates/build.rs.in"),
        &[("compile", &compile)],
    )
}

pub(super) fn manifest(
    package: &str,
    lib: &str,
    amop: &str,
    amop_build: &str,
    extra: &str,
) -> String {
    fill(
        include_str!("../../templates/Cargo.toml.in"),
        &[
            ("package", package),
            ("lib", lib),
            ("amop", amop),
            ("amop_build", amop_build),
            ("extra", extra),
        ],
    )
}

pub(super) fn readme(package: &str, topics: &[Topic<'_>]) -> String {
    let row = |topic: &Topic<'_>| {
        let [subscriber, unicast, multicast] = topic.programs.all().map(|(name, _)| name);
        format!(
            "| {} | `{subscriber}`, `{unicast}`, `{multicast}` | `{}` | {} |\n",
            topic.decl.topic.replace('|', "\\|"),
            topic.decl.message.full_name(),
            topic.decl.codec,
        )
    };
    let rows: String = topics.iter().map(row).collect();
    let first = topics.first().map_or("", |topic| &topic.programs.prefix);
    fill(
        include_str!("../../templates/README.md.in"),
        &[("package", package), ("rows", &rows), ("first", first)],
    )
}

/// Replaces `{{name}}`. What is put in is not looked at again, so it may contain anything.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(begin) = rest.find("{{") {
        // Of `{{{` the first is the template's own.
        let begin = begin + usize::from(rest[begin + 2..].starts_with('{'));
        let (before, tail) = rest.split_at(begin);
        filled.push_str(before);
        let name = tail[2..].split("}}").next().unwrap_or_default();
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => {
                filled.push_str(value);
                rest = tail.get(name.len() + 4..).unwrap_or_default();
            }
            None => {
                filled.push_str("{{");
                rest = &tail[2..];
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_as_they_are() {
        let filled = fill("a {{b}} {{{c}}} {{d}}", &[("b", "{{c}}"), ("c", "x")]);
        assert_eq!(filled, "a {{c}} {x} {{d}}");
    }
}
