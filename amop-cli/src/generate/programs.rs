//! A topic's programs: what the templates get.

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
    pub(super) fn name(&self, program: &str) -> String {
        format!("{}{program}", self.prefix)
    }

    /// Returns the names that a program imports from the topic's module.
    pub(super) fn uses(&self, options: &str, reply: Option<&str>) -> String {
        let mut uses = vec![self.type_name.as_str(), options];
        uses.extend(reply);
        uses.sort_unstable();
        uses.dedup();
        format!("{}, timestamp", uses.join(", "))
    }

    /// Returns how a message is printed: a placeholder for `format!` and an expression.
    pub(super) fn shown(&self) -> (&str, String) {
        match &self.text_field {
            Some(field) => ("{}", format!("message.{field}")),
            None => ("{:?}", "message".to_owned()),
        }
    }

    /// Returns the call of `function`, with the topic of the command line where there is one.
    pub(super) fn publish(&self, function: &str) -> String {
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
    pub(super) fn subscribe(&self, plain: &str, other: &str) -> String {
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
    pub(super) fn publisher_setup(&self) -> String {
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

    pub(super) fn subscriber_setup(&self) -> &'static str {
        match self.access {
            TopicAccess::Plain => "",
            TopicAccess::Private => "    let key = TopicKey::load(&options.key)?;\n",
            TopicAccess::Sealed => {
                "    let key = SealingKey::load(&options.key)?;\n    \
                 let guard = ReplayGuard::file(&options.replay)?;\n"
            }
        }
    }

    pub(super) fn publisher_usage(&self) -> &'static str {
        match self.access {
            TopicAccess::Plain => "[endpoint] [topic]",
            TopicAccess::Private => "[endpoint] --grant KEY",
            TopicAccess::Sealed => "[endpoint] --key FILE --to KEY",
        }
    }

    pub(super) fn subscriber_usage(&self) -> &'static str {
        match self.access {
            TopicAccess::Plain => "[endpoint] [topic]",
            TopicAccess::Private => "[endpoint] --key FILE",
            TopicAccess::Sealed => "[endpoint] --key FILE --publisher KEY",
        }
    }
}
