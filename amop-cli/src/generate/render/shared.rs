//! The module that a topic's programs share.

use super::{
    super::{
        programs::{Programs, TopicAccess},
        topics::GeneratedTopic,
    },
    template::fill,
};

/// Returns the module that the programs of a topic share.
pub(in crate::generate) fn topic(topic: &GeneratedTopic<'_>) -> String {
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
        include_str!("../../../templates/topic.rs.in"),
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
