//! A topic's programs.

use super::{
    super::{
        programs::{Programs, TopicAccess},
        sample::TEXT,
    },
    template::fill,
};

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
        TopicAccess::Plain | TopicAccess::Private => &["with_causes"],
        TopicAccess::Sealed => &["SealingKey", "with_causes"],
    }
}

/// Returns the program that prints every message of a topic.
pub fn subscriber(programs: &Programs) -> String {
    let (format, shown) = programs.shown();
    fill(
        include_str!("../../../templates/subscriber.rs.in"),
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
    let others = [
        subscriber_uses(programs.access),
        &["MessageKind", "with_causes"],
    ]
    .concat();
    fill(
        include_str!("../../../templates/responder.rs.in"),
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
    let template = include_str!("../../../templates/publisher.rs.in");
    let publish = programs.publish(&format!("publish_{kind}"));
    let more: [(&str, &str); 2] = [("receivers", receivers), ("publish", &publish)];
    sender(programs, template, &name, who, &more)
}

/// Returns the program that sends requests to one subscriber of a topic.
fn requester(programs: &Programs) -> String {
    let name = programs.name("requester");
    let template = include_str!("../../../templates/requester.rs.in");
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
