//! Fills in the templates.

use super::{GeneratedTopic, sample::TEXT};

/// How a topic's messages reach its subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicAccess {
    /// Every SDK may subscribe.
    #[default]
    Plain,
    /// Nodes deliver only to SDKs with a granted key.
    Private,
    /// Messages are encrypted to chosen keys.
    Sealed,
}

/// A topic's reply as the templates see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplySample {
    /// The name of the reply's type in the topic's module, to be imported. `None` if it is a
    /// built-in Rust type.
    pub type_name: Option<String>,
    /// The expression of a reply, in which `n` is its number.
    pub expression: String,
}

/// A topic's programs as the templates see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// The prefix of the programs' names.
    pub prefix: String,
    /// The path of the module with the message, the options and `timestamp`.
    pub module: String,
    /// The name of the message's type in that module.
    pub type_name: String,
    /// For text payloads, the field with the text.
    pub text_field: Option<String>,
    /// The expression of the message that publishers send. In it, `n` is the message's number and
    /// `{{text}}` is the place of a format string: the text of the documented demos.
    pub message: String,
    /// Whether the expression uses `n`.
    pub uses_number: bool,
    /// Who can receive the messages.
    pub access: TopicAccess,
    /// The reply, if the topic has one.
    pub reply: Option<ReplySample>,
    /// Functions that the message's type has for its fields. Where a topic function has the same
    /// name, the client's function is called instead.
    pub accessors: Vec<String>,
}

impl Programs {
    /// Returns all programs: their names and texts. The subscribing program comes first.
    pub fn all(&self) -> Vec<(String, String)> {
        if self.reply.is_some() {
            vec![
                (self.name("responder"), responder(self)),
                (self.name("requester"), requester(self)),
            ]
        } else {
            vec![
                (self.name("subscriber"), subscriber(self)),
                (self.name("unicast_publisher"), unicast_publisher(self)),
                (self.name("multicast_publisher"), multicast_publisher(self)),
            ]
        }
    }

    fn name(&self, program: &str) -> String {
        format!("{}{program}", self.prefix)
    }

    /// Returns the names that a program imports from the topic's module.
    fn uses(&self, options: &str, reply: Option<&str>) -> String {
        let mut uses = vec![self.type_name.as_str(), options];
        uses.extend(reply);
        uses.sort_unstable();
        uses.dedup();
        format!("{}, timestamp", uses.join(", "))
    }

    /// Returns how a message is printed: a placeholder for `format!` and an expression.
    fn shown(&self) -> (&str, String) {
        match &self.text_field {
            Some(field) => ("{}", format!("message.{field}")),
            None => ("{:?}", "message".to_owned()),
        }
    }

    /// Returns the call of `function`, with the topic of the command line where there is one.
    fn publish(&self, function: &str) -> String {
        let (function, by, topic) = match self.access {
            TopicAccess::Plain => (format!("{function}_to"), "client", "&options.topic"),
            TopicAccess::Private => (function.to_owned(), "client", ""),
            TopicAccess::Sealed => (function.to_owned(), "sealer", ""),
        };
        let (receiver, first, second) = if self.accessors.contains(&function) {
            (by.to_owned(), topic.to_owned(), "&message")
        } else {
            ("message".to_owned(), format!("&{by}"), topic)
        };
        let arguments = [first.as_str(), second].into_iter();
        let arguments: Vec<&str> = arguments.filter(|of| !of.is_empty()).collect();
        format!("{receiver}.{function}({})", arguments.join(", "))
    }

    /// Returns the call that subscribes. The function's name begins with `plain` or `other`.
    fn subscribe(&self, plain: &str, other: &str) -> String {
        let (function, arguments) = match self.access {
            TopicAccess::Plain => (plain.to_owned(), "&options.topic"),
            TopicAccess::Private => (format!("{other}_private"), "&key"),
            TopicAccess::Sealed => (
                format!("{other}_sealed"),
                "&key, &options.publishers, guard",
            ),
        };
        let ty = &self.type_name;
        if self.accessors.contains(&function) {
            format!("client.{function}::<{ty}>({arguments})")
        } else {
            format!("{ty}::{function}(&client, {arguments})")
        }
    }

    /// Returns the code that publishers run before they publish.
    fn publisher_setup(&self) -> String {
        let ty = &self.type_name;
        match self.access {
            TopicAccess::Plain => String::new(),
            TopicAccess::Private => format!("    client.grant::<{ty}>(&options.grant).await?;\n"),
            TopicAccess::Sealed => format!(
                "    let key = SealingKey::load(&options.key)?;\n    \
                 let sealer = client.seal_for::<{ty}>(&key, &options.to)?;\n"
            ),
        }
    }

    fn subscriber_setup(&self) -> &'static str {
        match self.access {
            TopicAccess::Plain => "",
            TopicAccess::Private => "    let key = TopicKey::load(&options.key)?;\n",
            TopicAccess::Sealed => {
                "    let key = SealingKey::load(&options.key)?;\n    \
                 let guard = ReplayGuard::file(&options.replay)?;\n"
            }
        }
    }

    fn publisher_usage(&self) -> &'static str {
        match self.access {
            TopicAccess::Plain => "[endpoint] [topic]",
            TopicAccess::Private => "[endpoint] --grant KEY",
            TopicAccess::Sealed => "[endpoint] --key FILE --to KEY",
        }
    }

    fn subscriber_usage(&self) -> &'static str {
        match self.access {
            TopicAccess::Plain => "[endpoint] [topic]",
            TopicAccess::Private => "[endpoint] --key FILE",
            TopicAccess::Sealed => "[endpoint] --key FILE --publisher KEY",
        }
    }

    /// Returns the commands that start the programs on a network of `amop devnet up`.
    fn commands(&self) -> String {
        let (subscriber, publisher) = match self.access {
            TopicAccess::Plain => ("", ""),
            TopicAccess::Private => (" --key subscriber.pem", " --grant subscriber.pub"),
            TopicAccess::Sealed => (
                " --key subscriber.pem --publisher publisher.pub",
                " --key publisher.pem --to subscriber.pub",
            ),
        };
        let command = |(number, (name, _)): (usize, (String, String))| {
            let (port, options) = match number {
                0 => (20201, subscriber),
                _ => (20200, publisher),
            };
            format!("cargo run --bin {name} -- 127.0.0.1:{port}{options}\n")
        };
        self.all().into_iter().enumerate().map(command).collect()
    }
}

/// Returns the list of `Client` and other names of the crate, for a `use`.
fn of_amop(others: &[&str]) -> String {
    let mut names = vec!["Client"];
    names.extend(others);
    names.sort_unstable();
    match names.as_slice() {
        [only] => (*only).to_owned(),
        names => format!("{{{}}}", names.join(", ")),
    }
}

fn subscriber_uses(access: TopicAccess) -> &'static [&'static str] {
    match access {
        TopicAccess::Plain => &[],
        TopicAccess::Private => &["TopicKey"],
        TopicAccess::Sealed => &["ReplayGuard", "SealingKey"],
    }
}

fn publisher_uses(access: TopicAccess) -> &'static [&'static str] {
    match access {
        TopicAccess::Plain | TopicAccess::Private => &[],
        TopicAccess::Sealed => &["SealingKey"],
    }
}

/// Returns the program that prints every message of a topic.
pub fn subscriber(programs: &Programs) -> String {
    let (format, shown) = programs.shown();
    fill(
        include_str!("../../templates/subscriber.rs.in"),
        &[
            ("bin", &programs.name("subscriber")),
            ("usage", programs.subscriber_usage()),
            ("amop", &of_amop(subscriber_uses(programs.access))),
            ("module", &programs.module),
            ("subscriber_uses", &programs.uses("SubscriberOptions", None)),
            ("setup", programs.subscriber_setup()),
            (
                "subscribe",
                &programs.subscribe("subscribe_to", "subscribe"),
            ),
            ("format", format),
            ("shown", &shown),
        ],
    )
}

/// Returns the program that answers every request on a topic.
fn responder(programs: &Programs) -> String {
    let (format, shown) = match &programs.text_field {
        Some(field) => ("{}", format!("message.{field}")),
        // The message, without the details of its delivery.
        None => ("{:?}", "*message".to_owned()),
    };
    let reply = programs.reply.as_ref();
    let reply_type = reply.and_then(|reply| reply.type_name.as_deref());
    let others = [subscriber_uses(programs.access), &["MessageKind"]].concat();
    fill(
        include_str!("../../templates/responder.rs.in"),
        &[
            ("bin", &programs.name("responder")),
            ("usage", programs.subscriber_usage()),
            ("amop", &of_amop(&others)),
            ("module", &programs.module),
            (
                "subscriber_uses",
                &programs.uses("SubscriberOptions", reply_type),
            ),
            ("setup", programs.subscriber_setup()),
            (
                "subscribe",
                &programs.subscribe("deliveries_to", "deliveries"),
            ),
            ("format", format),
            ("shown", &shown),
            ("reply", reply.map_or("", |reply| &reply.expression)),
        ],
    )
}

/// Returns the program that publishes to one subscriber of a topic.
pub fn unicast_publisher(programs: &Programs) -> String {
    publisher(programs, "unicast", "one random subscriber", "unique")
}

/// Returns the program that publishes to all subscribers of a topic.
pub fn multicast_publisher(programs: &Programs) -> String {
    publisher(programs, "multicast", "every subscriber", "multi")
}

fn publisher(programs: &Programs, kind: &str, receivers: &str, who: &str) -> String {
    let name = programs.name(&format!("{kind}_publisher"));
    let template = include_str!("../../templates/publisher.rs.in");
    let publish = programs.publish(&format!("publish_{kind}"));
    let more: [(&str, &str); 2] = [("receivers", receivers), ("publish", &publish)];
    sender(programs, template, &name, who, &more)
}

/// Returns the program that sends requests to one subscriber of a topic.
fn requester(programs: &Programs) -> String {
    let name = programs.name("requester");
    let template = include_str!("../../templates/requester.rs.in");
    let request = programs.publish("request");
    sender(
        programs,
        template,
        &name,
        "unique",
        &[("request", &request)],
    )
}

fn sender(
    programs: &Programs,
    template: &str,
    name: &str,
    who: &str,
    more: &[(&str, &str)],
) -> String {
    let text = format!("\"hello, FISCO BCOS, I am {who} broadcast publisher! {{n}}\"");
    let (format, shown) = programs.shown();
    let message = programs.message.replace(TEXT, &text);
    let amop = of_amop(publisher_uses(programs.access));
    let setup = programs.publisher_setup();
    let uses = programs.uses("PublisherOptions", None);
    let values: [(&str, &str); 10] = [
        ("bin", name),
        ("usage", programs.publisher_usage()),
        ("amop", &amop),
        ("module", &programs.module),
        ("publisher_uses", &uses),
        ("setup", &setup),
        ("n", if programs.uses_number { "n" } else { "_" }),
        ("message", &message),
        ("format", format),
        ("shown", &shown),
    ];
    fill(template, &[&values[..], more].concat())
}

/// Returns the module that the programs of a topic share.
pub(super) fn topic(topic: &GeneratedTopic<'_>) -> String {
    let programs = &topic.programs;
    let (publishers, subscribers) = match programs.reply {
        Some(_) => ("requester", "responder"),
        None => ("publishers", "subscriber"),
    };
    let reply = programs
        .reply
        .as_ref()
        .and_then(|reply| reply.type_name.as_deref());
    let mut uses = vec![used(&topic.path, &programs.type_name)];
    if let (Some(path), Some(name)) = (&topic.reply_path, reply) {
        uses.push(used(path, name));
    }
    uses.sort_unstable();
    uses.dedup();
    fill(
        include_str!("../../templates/topic.rs.in"),
        &[
            ("uses", &uses.concat()),
            ("publishers", publishers),
            ("subscribers", subscribers),
            ("publisher_options", &publisher_options(programs)),
            (
                "subscriber_options",
                &subscriber_options(programs, &topic.module),
            ),
            // The responder counts with the type of `n` in the replies.
            (
                "count",
                if programs.reply.is_some() {
                    "u64"
                } else {
                    "usize"
                },
            ),
            ("functions", key_function(programs.access)),
        ],
    )
}

/// Returns the import of a generated type, which may get another name.
fn used(path: &str, name: &str) -> String {
    if path.rsplit("::").next() == Some(name) {
        format!("pub use crate::proto::{path};\n")
    } else {
        format!("pub use crate::proto::{path} as {name};\n")
    }
}

fn topic_option(programs: &Programs, what: &str) -> String {
    let ty = &programs.type_name;
    format!(
        "    /// The topic to {what}.\n    \
         #[arg(default_value = {ty}::TOPIC)]\n    \
         pub topic: String,\n"
    )
}

fn publisher_options(programs: &Programs) -> String {
    match programs.access {
        TopicAccess::Plain => topic_option(programs, "publish to"),
        TopicAccess::Private => "    \
             /// The public key of a subscriber that gets the messages, or its file; may be repeated.\n    \
             #[arg(long, value_name = \"KEY\", required = true, value_parser = public_key)]\n    \
             pub grant: Vec<amop::TopicPublicKey>,\n"
            .to_owned(),
        TopicAccess::Sealed => "    \
             /// The file with the publisher's own key.\n    \
             #[arg(long, value_name = \"FILE\")]\n    \
             pub key: std::path::PathBuf,\n    \
             /// The public key of a recipient, or its file; may be repeated.\n    \
             #[arg(long, value_name = \"KEY\", required = true, value_parser = public_key)]\n    \
             pub to: Vec<amop::SealingPublicKey>,\n"
            .to_owned(),
    }
}

fn subscriber_options(programs: &Programs, module: &str) -> String {
    let key = "    \
         /// The file with the subscriber's own key.\n    \
         #[arg(long, value_name = \"FILE\")]\n    \
         pub key: std::path::PathBuf,\n";
    match programs.access {
        TopicAccess::Plain => topic_option(programs, "subscribe to"),
        TopicAccess::Private => key.to_owned(),
        TopicAccess::Sealed => format!(
            "{key}    \
             /// The public key of a publisher whose messages are accepted, or its file; may be repeated.\n    \
             #[arg(long = \"publisher\", value_name = \"KEY\", required = true, value_parser = public_key)]\n    \
             pub publishers: Vec<amop::SealingPublicKey>,\n    \
             /// The file that records which messages were received, to detect replays.\n    \
             #[arg(long, value_name = \"FILE\", default_value = \"{module}.replay\")]\n    \
             pub replay: std::path::PathBuf,\n"
        ),
    }
}

/// Returns the function that reads public keys from the command line.
fn key_function(access: TopicAccess) -> &'static str {
    match access {
        TopicAccess::Plain => "",
        TopicAccess::Private => {
            "\n/// A public key, or the file that has it.\n\
             fn public_key(text: &str) -> Result<amop::TopicPublicKey, amop::KeyError> {\n    \
             text.parse().or_else(|_| amop::TopicPublicKey::load(text))\n}\n"
        }
        TopicAccess::Sealed => {
            "\n/// A public key, or the file that has it.\n\
             fn public_key(text: &str) -> Result<amop::SealingPublicKey, amop::SealingKeyError> {\n    \
             text.parse().or_else(|_| amop::SealingPublicKey::load(text))\n}\n"
        }
    }
}

pub(super) fn library(topics: &[GeneratedTopic<'_>]) -> String {
    let module = |topic: &GeneratedTopic<'_>| format!("pub mod {};\n", topic.module);
    let mut modules: Vec<String> = topics.iter().map(module).collect();
    modules.sort_unstable();
    fill(
        include_str!("../../templates/lib.rs.in"),
        &[("modules", &modules.concat())],
    )
}

pub(super) fn build_script(files: &[&str]) -> String {
    let name = |file: &str| format!("{:?}", format!("proto/{file}"));
    // In the format of rustfmt.
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

pub(super) fn readme(package: &str, topics: &[GeneratedTopic<'_>]) -> String {
    let row = |topic: &GeneratedTopic<'_>| {
        let names = topic.programs.all().into_iter();
        let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
        format!(
            "| {} | {} | `{}` | {} |\n",
            on_one_line(&topic.decl.topic),
            names.join(", "),
            topic.decl.message.full_name(),
            topic.decl.codec,
        )
    };
    let rows: String = topics.iter().map(row).collect();
    let any = |access| topics.iter().any(|topic| topic.programs.access == access);
    let mut keys = String::new();
    if any(TopicAccess::Private) {
        keys.push_str(PRIVATE_KEYS);
    }
    if any(TopicAccess::Sealed) {
        keys.push_str(SEALED_KEYS);
    }
    let commands = topics
        .first()
        .map_or(String::new(), |topic| topic.programs.commands());
    let topic = if any(TopicAccess::Plain) {
        " and a topic"
    } else {
        ""
    };
    fill(
        include_str!("../../templates/README.md.in"),
        &[
            ("package", package),
            ("rows", &rows),
            ("keys", &keys),
            ("commands", &commands),
            ("topic", topic),
        ],
    )
}

/// Returns a topic as the text of a table cell.
fn on_one_line(topic: &str) -> String {
    topic.escape_debug().to_string().replace('|', "\\|")
}

const PRIVATE_KEYS: &str = "\
Private topics: each subscriber has a key, and publishers grant the topic to its public key.

```sh
openssl ecparam -name secp256k1 -genkey -noout -out subscriber.pem
openssl ec -in subscriber.pem -pubout -out subscriber.pub
```

";

const SEALED_KEYS: &str = "\
Sealed topics: publishers and subscribers have keys. Each side knows the public keys of the other.

```sh
for who in publisher subscriber; do
    openssl genpkey -algorithm ed25519 -out signing.pem
    openssl genpkey -algorithm x25519 -out opening.pem
    cat signing.pem opening.pem > $who.pem
    for half in signing opening; do openssl pkey -in $half.pem -pubout; done > $who.pub
    rm signing.pem opening.pem
done
```

";

/// Replaces `{{name}}`. Inserted values are not searched for names, so they may contain anything.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(begin) = rest.find("{{") {
        // Of `{{{` the first brace belongs to the template.
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
