//! The files of a project that belong to no topic.

use super::{
    super::{
        programs::{Programs, TopicAccess},
        topics::GeneratedTopic,
    },
    template::fill,
};

pub(in crate::generate) fn library(topics: &[GeneratedTopic<'_>]) -> String {
    let module = |topic: &GeneratedTopic<'_>| format!("pub mod {};\n", topic.module);
    let mut modules: Vec<String> = topics.iter().map(module).collect();
    modules.sort_unstable();
    fill(
        include_str!("../../../templates/lib.rs.in"),
        &[("modules", &modules.concat())],
    )
}

pub(in crate::generate) fn build_script(files: &[&str]) -> String {
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
        include_str!("../../../templates/build.rs.in"),
        &[("compile", &compile)],
    )
}

pub(in crate::generate) fn manifest(
    package: &str,
    lib: &str,
    amop: &str,
    amop_build: &str,
    extra: &str,
) -> String {
    fill(
        include_str!("../../../templates/Cargo.toml.in"),
        &[
            ("package", package),
            ("lib", lib),
            ("amop", amop),
            ("amop_build", amop_build),
            ("extra", extra),
        ],
    )
}

pub(in crate::generate) fn readme(package: &str, topics: &[GeneratedTopic<'_>]) -> String {
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
        .map_or(String::new(), |topic| commands(&topic.programs));
    let topic = if any(TopicAccess::Plain) {
        " and a topic"
    } else {
        ""
    };
    fill(
        include_str!("../../../templates/README.md.in"),
        &[
            ("package", package),
            ("rows", &rows),
            ("keys", &keys),
            ("commands", &commands),
            ("topic", topic),
        ],
    )
}

/// Returns the commands that start the programs on a network of `amop devnet up`.
fn commands(programs: &Programs) -> String {
    let (subscriber, publisher) = match programs.access {
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
    programs
        .all()
        .into_iter()
        .enumerate()
        .map(command)
        .collect()
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
