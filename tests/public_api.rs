//! Rules of the public interfaces that the compiler does not check: what may grow is `#[non_exhaustive]`, every
//! future says what happens when it is dropped, and a library brings no dependencies of a program.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// The crates for users.
const CRATES: &[&str] = &[
    "amop",
    "amop-build",
    "amop-node",
    "amop-proto",
    "amop-protojson",
    "amop-schema",
    "amop-seal",
    "amop-tlcp",
    "amop-ws",
    "amop-tls",
];

/// Public types that are exhaustive on purpose, with the reason.
const EXHAUSTIVE: &[(&str, &[&str])] = &[
    (
        "types without values, which only name a codec, or a key that cannot be without its feature",
        &[
            "Json",
            "ProtoJson",
            "Protobuf",
            "Raw",
            "Text",
            "TopicKey",
            "TopicPublicKey",
        ],
    ),
    (
        "there are only these: two sides, two kinds of messages, two protocols of guomi, a beginning and an end, two directions, three severities, refused or ignored",
        &[
            "ConnectionRole",
            "Flavour",
            "MessageKind",
            "Directions",
            "Severity",
            "UnknownFields",
            "Side",
            "Validity",
            "WsSide",
        ],
    ),
    (
        "bytes or numbers with a name",
        &[
            "FrameType",
            "GatewayConnectionId",
            "GatewayId",
            "GatewayMessageKind",
            "NodeId",
            "PacketType",
            "PeerId",
            "PublicKey",
            "RoutingKey",
            "Seq",
            "SessionId",
            "ShortId",
            "WsStatus",
            "WsType",
        ],
    ),
    (
        "a part of a frame or packet, whose layout the protocol fixes: code that makes one gives every field",
        &[
            "AmopBody",
            "AmopRequest",
            "Body",
            "Frame",
            "GatewayMessage",
            "GatewayPacket",
            "GatewayTopicList",
            "HandshakeRequest",
            "HandshakeResponse",
            "MulticastHeader",
            "Numbered",
            "OutgoingPacket",
            "PacketRoute",
            "PeerFrame",
            "PeerMessage",
            "Record",
            "RelayedMulticastHeader",
            "RelayedUnicastHeader",
            "RouterEntry",
            "RouterTable",
            "Seal",
            "SetTopics",
            "Shortage",
            "Statement",
            "Subject",
            "TopicList",
            "UnicastHeader",
            "Verdict",
            "VerifyRequest",
            "VersionRange",
            "Whole",
            "WsHandshakeRequest",
            "WsMessage",
        ],
    ),
    (
        "the macros of the same version write it, with every field",
        &["ProtoField", "ProtoKind"],
    ),
    (
        "a generator of code must handle every codec",
        &["TopicCodec"],
    ),
    (
        "what a machine and its shell exchange: a shell that overlooks a new case would be wrong, so it must not \
         compile",
        &[
            "Action",
            "Arrival",
            "Assembled",
            "AttemptEnd",
            "CertificateLapse",
            "GatewayEvent",
            "GatewayOutcome",
            "Group",
            "Identified",
            "IdentityRefusal",
            "Lane",
            "MacPurpose",
            "MachineConfig",
            "Needs",
            "NextAttempt",
            "NodeEvent",
            "NodeFacts",
            "PeerIdentity",
            "Piece",
            "RecordsFault",
            "RefusalReason",
            "RequestOutcome",
            "RpcPeer",
            "Sender",
            "SessionEvent",
            "SessionIdentity",
            "UnicastArrival",
            "WsClientEvent",
            "WsOutcome",
            "WsServerEvent",
            "WsTransmit",
        ],
    ),
];

/// A public item and what stands above it.
struct Item<'a> {
    kind: &'a str,
    name: &'a str,
    /// The documentation and attributes.
    above: String,
    /// The text from its first line on.
    rest: &'a str,
}

/// Returns the public items of a file: those whose first line begins with `pub` and not with `pub(`.
fn items(text: &str) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    let mut above = String::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let trimmed = line.trim();
        if trimmed.starts_with("//") || trimmed.starts_with("#[") || above.ends_with("(\n") {
            above.push_str(line);
            continue;
        }
        // The rest of an attribute of several lines.
        let open = above.matches(['[', '(']).count() > above.matches([']', ')']).count();
        if open && above.trim_start().starts_with(['#', '/']) {
            above.push_str(line);
            continue;
        }
        let words = trimmed
            .strip_prefix("pub ")
            .map(|rest| rest.strip_prefix("async ").unwrap_or(rest));
        let words = words.and_then(|rest| rest.split_once(' '));
        if let Some((kind @ ("enum" | "struct" | "fn"), rest)) = words {
            let name = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap();
            found.push(Item {
                kind,
                name,
                above: std::mem::take(&mut above),
                rest: &text[start..],
            });
        }
        above.clear();
    }
    found
}

impl Item<'_> {
    /// Returns whether it has public fields or is an enum.
    fn is_open(&self) -> bool {
        let head = self.rest.lines().next().unwrap();
        match self.kind {
            "enum" => true,
            "struct" if head.trim_end().ends_with('{') => {
                let indent = &head[..head.len() - head.trim_start().len()];
                let end = format!("{indent}}}");
                let fields = self.rest.lines().skip(1).take_while(|line| *line != end);
                fields
                    .map(str::trim)
                    .any(|line| line.starts_with("pub ") && line.contains(':'))
            }
            "struct" => head.contains("(pub "),
            _ => false,
        }
    }

    /// Returns whether it is a function that returns a future.
    fn is_future(&self) -> bool {
        let signature = self.rest.split(['{', ';']).next().unwrap();
        self.kind == "fn"
            && (signature.trim().starts_with("pub async") || signature.contains("impl Future"))
    }
}

/// Calls a function with every source file of a crate, without its tests.
fn each_source(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                each_source(&path, look);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            look(
                &path,
                text.split("\n#[cfg(test)]\nmod tests {").next().unwrap(),
            );
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn public_types_may_grow_or_are_listed_with_a_reason() {
    let listed: BTreeSet<&str> = EXHAUSTIVE
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for of in CRATES {
        each_source(&root().join(of).join("src"), &mut |path, text| {
            for item in items(text).iter().filter(|item| item.is_open()) {
                let may_grow = item.above.contains("#[non_exhaustive]");
                if !may_grow {
                    known.insert(item.name.to_owned());
                }
                if may_grow == listed.contains(item.name) {
                    wrong.push(format!("{} in {}", item.name, path.display()));
                }
            }
        });
    }
    let unknown: Vec<_> = listed
        .iter()
        .filter(|name| !known.contains(**name))
        .collect();
    assert!(
        wrong.is_empty() && unknown.is_empty(),
        "add #[non_exhaustive], or list the type and the reason in {}:\n{}\nlisted, but not found: {unknown:?}",
        file!(),
        wrong.join("\n")
    );
}

#[test]
fn every_future_says_what_happens_when_it_is_dropped() {
    let mut missing = Vec::new();
    let mut count = 0;
    for of in CRATES {
        each_source(&root().join(of).join("src"), &mut |path, text| {
            for item in items(text).iter().filter(|item| item.is_future()) {
                count += 1;
                if !item.above.contains("# Cancel safety") {
                    missing.push(format!("{} in {}", item.name, path.display()));
                }
            }
        });
    }
    assert!(count > 60, "only {count} functions were found");
    assert!(
        missing.is_empty(),
        "add a section `# Cancel safety`:\n{}",
        missing.join("\n")
    );
}

#[test]
fn items_are_found() {
    let text = "/// A.\n#[non_exhaustive]\npub enum A {\n    /// B.\n    B,\n}\n\n/// C.\npub struct C {\n    pub d: u8,\n}\n\
        pub struct E(pub u8);\npub(crate) enum F {}\n\n#[must_use]\npub async fn g() {}\nimpl A {\n    /// Cancel\n    pub fn \
        h(\n        &self,\n    ) -> impl Future<Output = ()> {\n    }\n    pub fn i() {}\n}\n";
    let items = items(text);
    let names: Vec<_> = items.iter().map(|item| item.name).collect();
    assert_eq!(names, ["A", "C", "E", "g", "h", "i"]);
    let open: Vec<_> = items
        .iter()
        .filter(|item| item.is_open())
        .map(|item| item.name)
        .collect();
    assert_eq!(open, ["A", "C", "E"]);
    let futures: Vec<_> = items
        .iter()
        .filter(|item| item.is_future())
        .map(|item| item.name)
        .collect();
    assert_eq!(futures, ["g", "h"]);
    assert!(items[0].above.contains("#[non_exhaustive]") && items[1].above == "/// C.\n");
    assert!(items[4].above.contains("Cancel"));
}

/// Programs need more than libraries: a command line, a log, another allocator.
#[test]
fn the_node_s_library_does_not_depend_on_what_only_its_program_needs() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--package",
            "amop-node",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains("tokio"));
    for program in ["clap", "tikv-jemallocator", "tracing-subscriber"] {
        assert!(!names.contains(program), "amop-node depends on {program}");
    }
}
