//! The findings of a comparison, rule by rule. `compat_proof.rs` proves that the verdicts are true.

use super::compat_support::{schema, summary, topic};
use amop_schema::{
    Schema,
    compat::{self, CompatOptions, UnknownFields},
};

fn findings(old: &Schema, new: &Schema) -> Vec<String> {
    summary(&compat::check(old, new))
}

/// Returns the findings for two versions of a message's members.
fn members(codec: &str, old: &str, new: &str) -> Vec<String> {
    let others = "message Amount { int64 minor_units = 1; string currency = 2; }
        message Old { enum Side { UNKNOWN = 0; BUY = 1; SELL = 2; } }
        message New { enum Side { UNSPECIFIED = 0; BUY = 1; SELL = 2; SWAP = 3; } }";
    let [old, new] = [old, new].map(|members| topic("proto3", codec, members, others));
    findings(&old, &new)
}

#[test]
fn the_same_schema_is_compatible() {
    let body = "
        message A { option (amop.topic) = \"a\"; option (amop.reply) = \"R\"; A next = 1; map<string, A> all = 2; }
        message B { option (amop.topic) = \"b\"; option (amop.codec) = JSON; repeated int32 x = 1; oneof o { string y = 2; bytes z = 3; } }
        message C { option (amop.topic) = \"c\"; option (amop.codec) = TEXT; string text = 1; }
        message R { bool ok = 1; }";
    let report = compat::check(&schema("proto3", body), &schema("proto3", body));
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.is_compatible());
    assert_eq!(report.topics_compared, 3);
    assert_eq!(
        compat::render(&report),
        "3 topics compared: compatible in both directions\n"
    );
}

#[test]
fn protobuf_fields_are_known_by_number() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "string a = 1;",
            "string a = 1; int32 b = 2;",
            &["note > M.b field-added", "note < M.b field-added"],
        ),
        (
            "string a = 1; int32 b = 2;",
            "string a = 1;",
            &["lossy > M.b field-removed", "note < M.b field-removed"],
        ),
        (
            "string a = 1;",
            "string b = 1;",
            &["note = M.a field-renamed"],
        ),
        (
            "string a = 1;",
            "int32 b = 1;",
            &["break = M.a number-reused"],
        ),
        (
            "string a = 1;",
            "string a = 2;",
            &["break = M.a number-reused"],
        ),
        (
            "string a = 1; string b = 2;",
            "string a = 2; string b = 1;",
            &["break = M.a number-reused", "break = M.b number-reused"],
        ),
        (
            "string a = 1;",
            "int32 a = 1;",
            &["break = M.a type-changed"],
        ),
        (
            "int32 a = 1;",
            "sint32 a = 1;",
            &["break = M.a type-changed"],
        ),
        (
            "int32 a = 1;",
            "int64 a = 1;",
            &["lossy > M.a type-changed"],
        ),
        (
            "uint32 a = 1;",
            "uint64 a = 1;",
            &["lossy > M.a type-changed"],
        ),
        (
            "sint32 a = 1;",
            "sint64 a = 1;",
            &["lossy > M.a type-changed"],
        ),
        (
            "fixed32 a = 1;",
            "float a = 1;",
            &["break = M.a type-changed"],
        ),
        (
            "bool a = 1;",
            "uint32 a = 1;",
            &["lossy > M.a type-changed"],
        ),
        // Only text is certain to be valid as text.
        (
            "bytes a = 1;",
            "string a = 1;",
            &["break < M.a type-changed"],
        ),
        (
            "Amount a = 1;",
            "bytes a = 1;",
            &["break > M.a type-changed", "note < M.a type-changed"],
        ),
        (
            "int32 a = 1;",
            "repeated int32 a = 1;",
            &[
                "break > M.a cardinality-changed",
                "note < M.a cardinality-changed",
            ],
        ),
        (
            "int32 a = 1;",
            "repeated int32 a = 1 [packed = false];",
            &[
                "lossy > M.a cardinality-changed",
                "note < M.a cardinality-changed",
            ],
        ),
        (
            "repeated int32 a = 1;",
            "repeated int32 a = 1 [packed = false];",
            &[],
        ),
        (
            "string a = 1; string b = 2;",
            "oneof o { string a = 1; string b = 2; }",
            &["lossy < M.o oneof-changed"],
        ),
        (
            "string a = 1;",
            "oneof o { string a = 1; string b = 2; }",
            &["note > M.b field-added", "note < M.b field-added"],
        ),
        (
            "Old.Side a = 1;",
            "New.Side a = 1;",
            &[
                "lossy > M.a enum-value-unknown",
                "note > M.a enum-value-renamed",
                "note < M.a enum-value-renamed",
            ],
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(&members("PROTOBUF", old, new), expected, "{old} -> {new}");
    }
}

#[test]
fn json_fields_are_known_by_name() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "string a = 1;",
            "string a = 1; int32 b = 2;",
            &["note > M.b field-added", "note < M.b field-added"],
        ),
        (
            "string a = 1; int32 b = 2;",
            "string a = 1;",
            &["lossy > M.b field-removed", "note < M.b field-removed"],
        ),
        (
            "string a = 1;",
            "string b = 1;",
            &["break = M.a field-renamed"],
        ),
        ("string a = 1;", "string b = 1 [json_name = \"a\"];", &[]),
        // Readers accept the name in the `.proto` file as well, but it is not the name that is
        // written.
        (
            "string a_b = 1;",
            "string a_b = 1 [json_name = \"a_b\"];",
            &["break < M.a_b field-renamed"],
        ),
        ("string a = 1;", "string a = 2;", &[]),
        ("int32 a = 1;", "sint32 a = 1;", &[]),
        (
            "int32 a = 1;",
            "int64 a = 1;",
            &["break > M.a type-changed"],
        ),
        (
            "string a = 1;",
            "bytes a = 1;",
            &["break = M.a type-changed"],
        ),
        (
            "int32 a = 1;",
            "repeated int32 a = 1;",
            &["break = M.a cardinality-changed"],
        ),
        (
            "string a = 1; string b = 2;",
            "oneof o { string a = 1; string b = 2; }",
            &["break < M.o oneof-changed"],
        ),
        (
            "Old.Side a = 1;",
            "New.Side a = 1;",
            &[
                "break > M.a enum-value-unknown",
                "break > M.a enum-value-reused",
                "break < M.a enum-value-reused",
            ],
        ),
        (
            "optional Old.Side a = 1;",
            "optional New.Side a = 1;",
            &[
                "break > M.a enum-value-unknown",
                "break < M.a enum-value-unknown",
                "lossy > M.a default-changed",
                "lossy < M.a default-changed",
            ],
        ),
        (
            "map<int32, string> a = 1;",
            "map<string, string> a = 1;",
            &["break > M.a type-changed"],
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(&members("JSON", old, new), expected, "{old} -> {new}");
    }
}

#[test]
fn json_readers_may_refuse_unknown_fields() {
    let old = topic("proto3", "JSON", "string a = 1; int32 gone = 3;", "");
    let new = topic("proto3", "JSON", "string a = 1; int32 b = 2;", "");
    assert!(compat::check(&old, &new).is_compatible());
    let options = CompatOptions {
        json_unknown_fields: UnknownFields::Refused,
    };
    let report = compat::check_with(&old, &new, options);
    assert_eq!(
        summary(&report),
        [
            "break > M.b field-added",
            "break < M.gone field-removed",
            "lossy > M.gone field-removed",
            "note < M.b field-added",
        ]
    );
}

#[test]
fn well_known_types_have_forms_of_their_own_in_json() {
    let header = "import \"google/protobuf/timestamp.proto\";
        import \"google/protobuf/struct.proto\";
        import \"google/protobuf/wrappers.proto\";\n";
    let check = |old: &str, new: &str| {
        let [old, new] = [old, new].map(|members| {
            schema(
                "proto3",
                &format!(
                    "{header} message M {{ option (amop.topic) = \"t\"; option (amop.codec) = JSON; \
                     {members} }}"
                ),
            )
        });
        findings(&old, &new)
    };
    let timestamp = "google.protobuf.Timestamp a = 1;";
    assert!(check(timestamp, timestamp).is_empty());
    assert_eq!(
        check("string a = 1;", timestamp),
        [
            "break < M.a type-changed",
            "lossy > M.a default-changed",
            "note > M.a type-changed",
        ]
    );
    // Only one side distinguishes zero and a missing value.
    assert_eq!(
        check("int32 a = 1;", "google.protobuf.Int32Value a = 1;"),
        ["lossy > M.a default-changed", "lossy < M.a default-changed"]
    );
    assert!(check("optional int32 a = 1;", "google.protobuf.Int32Value a = 1;").is_empty());
    assert_eq!(
        check("repeated string a = 1;", "google.protobuf.Value a = 1;"),
        [
            "break > M.a cardinality-changed",
            "note < M.a cardinality-changed",
        ]
    );
}

#[test]
fn required_fields_are_insisted_on() {
    for codec in ["PROTOBUF", "JSON"] {
        let old = topic("proto2", codec, "optional string a = 1;", "");
        let new = topic("proto2", codec, "required string a = 1;", "");
        assert_eq!(
            findings(&old, &new),
            ["break < M.a required-missing"],
            "{codec}"
        );
        let new = topic(
            "proto2",
            codec,
            "optional string a = 1; required string b = 2;",
            "",
        );
        let found = findings(&old, &new);
        assert!(
            found.contains(&"break < M.b required-missing".to_owned()),
            "{found:?}"
        );
    }
}

#[test]
fn nested_types_are_compared_once_and_circles_end() {
    let tree = |of: &str| {
        topic(
            "proto3",
            "PROTOBUF",
            "Node left = 1; Node right = 2;",
            &format!("message Node {{ Node left = 1; M top = 2; {of} value = 3; }}"),
        )
    };
    assert_eq!(
        findings(&tree("int32"), &tree("string")),
        ["break = M.left.value type-changed"]
    );
}

#[test]
fn a_deep_schema_does_not_exhaust_the_stack() {
    let chain = |of: &str| {
        let mut others = String::new();
        for i in 0..5000 {
            others += &format!("message D{i} {{ D{} d = 1; }}\n", i + 1);
        }
        topic(
            "proto3",
            "PROTOBUF",
            "D0 d = 1;",
            &(others + &format!("message D5000 {{ {of} x = 1; }}")),
        )
    };
    let report = compat::check(&chain("int32"), &chain("string"));
    assert_eq!(report.findings.len(), 1);
}

fn one(options: &str) -> Schema {
    schema(
        "proto3",
        &format!("message M {{ {options} string text = 1; }} message R {{ bool ok = 1; }}"),
    )
}

#[test]
fn topics_are_compared() {
    let plain = one("option (amop.topic) = \"t\";");
    let cases: &[(Schema, &[&str])] = &[
        (one(""), &["break = M topic-removed"]),
        (
            one("option (amop.topic) = \"u\";"),
            &["break = M topic-renamed"],
        ),
        (
            one("option (amop.topic) = \"t\"; option (amop.private) = true;"),
            &["break = M privacy-changed"],
        ),
        (
            one("option (amop.topic) = \"t\"; option (amop.sealed) = true;"),
            &["break = M sealing-changed"],
        ),
        (
            one("option (amop.topic) = \"t\"; option (amop.codec) = TEXT;"),
            &["break = M codec-changed"],
        ),
        (
            one("option (amop.topic) = \"t\"; option (amop.reply) = \"R\";"),
            &["break > R reply-added", "note < R reply-added"],
        ),
    ];
    for (new, expected) in cases {
        assert_eq!(&findings(&plain, new), expected);
    }
    let with_reply = one("option (amop.topic) = \"t\"; option (amop.reply) = \"R\";");
    assert_eq!(
        findings(&with_reply, &plain),
        ["break < R reply-removed", "note > R reply-removed",]
    );
    let nothing = one("");
    assert_eq!(findings(&nothing, &plain), ["note = M topic-added"]);
}

#[test]
fn text_has_no_structure() {
    let [old, new] = ["string a = 1;", "string b = 2;"].map(|of| topic("proto3", "TEXT", of, ""));
    assert!(findings(&old, &new).is_empty());
}

#[test]
fn replies_travel_the_other_way() {
    let schema = |reply: &str| {
        schema(
            "proto3",
            &format!(
                "message M {{ option (amop.topic) = \"t\"; option (amop.reply) = \"R\"; }}
                 message R {{ {reply} }}"
            ),
        )
    };
    // Old publishers read replies of new subscribers: backward.
    assert_eq!(
        findings(&schema("int32 a = 1;"), &schema("int64 a = 1;")),
        ["lossy < R.a type-changed"]
    );
    let report = compat::check(&schema("string a = 1;"), &schema("bytes a = 1;"));
    assert!(report.is_forward_compatible());
    assert!(!report.is_backward_compatible());
}

#[test]
fn topics_shared_by_packages_are_told_apart_by_message() {
    let both = |of: &str| {
        schema(
            "proto3",
            &format!(
                "message M {{ option (amop.topic) = \"t\"; string a = 1; }}
                 message Outer {{ message N {{ {of} string a = 1; }} }}"
            ),
        )
    };
    // One package cannot have a topic twice, so the second one is added and removed.
    let report = compat::check(&both(""), &both("option (amop.topic) = \"u\";"));
    assert_eq!(summary(&report), ["note = N topic-added"]);
}

#[test]
fn reports_read_well() {
    let schema = |amount: &str, more: &str| {
        schema(
            "proto3",
            &format!(
                "message Settlement {{ option (amop.topic) = \"settlement\"; Amount amount = 1; }}
                 message Amount {{ {amount} }}
                 message Tick {{ option (amop.topic) = \"tick\"; option (amop.codec) = JSON; \
                 {more} }}"
            ),
        )
    };
    let old = schema("int64 units = 1; string currency = 2;", "int32 price = 1;");
    let new = schema(
        "int64 units = 1; uint32 currency = 2;",
        "int64 price = 1; int32 size = 2;",
    );
    let report = compat::check(&old, &new);
    let expected = include_str!("data/compat/report.txt");
    assert_eq!(report.to_string(), expected, "\n{report}");
}
