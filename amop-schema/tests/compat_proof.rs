//! Proves the verdicts on messages: random messages of one schema are sent to readers on the other,
//! for pairs of schemas that are themselves random.
//!
//! If the report has no break, every message must be read; if it has no loss either, every message
//! must keep its meaning. If the report has a break or a loss, a message must show it.

use super::compat_support::{
    meaning::{self, Outcome, Wire},
    pairs::{OTHERS, TYPES, members, messages, named_fields},
    random::{self, Random},
    topic, try_topic,
};
use amop_protojson::Mapping;
use amop_schema::{
    Schema,
    compat::{self, CompatOptions, CompatReport, Finding, Rule, Severity, UnknownFields},
};
use proptest::prelude::*;

/// Enough to find a combination of two unlikely values.
const MESSAGES: u64 = 600;

fn applies(finding: &Finding, forward: bool) -> bool {
    if forward {
        finding.directions.forward
    } else {
        finding.directions.backward
    }
}

/// A schema with its JSON mapping, which is made once for all the schemas that it is compared with.
struct Side {
    schema: Schema,
    mapping: Mapping,
}

fn side(schema: Schema) -> Side {
    let mapping = Mapping::decode(&schema.pool.encode_to_vec()).unwrap();
    Side { schema, mapping }
}

/// Checks one direction, and returns the error if there is one.
fn prove(
    old: &Side,
    new: &Side,
    report: &CompatReport,
    wire: Wire,
    forward: bool,
) -> Result<(), String> {
    let (writer, reader) = if forward { (new, old) } else { (old, new) };
    let mappings = (&writer.mapping, &reader.mapping);
    let [writer, reader] = [writer, reader].map(|side| &side.schema.topics[0].message);
    let breaks = report
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Break && applies(finding, forward));
    // A field that is no longer written does not show in any message.
    let lossy = report.findings.iter().any(|finding| {
        finding.severity == Severity::Lossy
            && finding.rule != Rule::FieldRemoved
            && applies(finding, forward)
    });
    let (mut refused, mut differs) = (false, false);
    for seed in 0..MESSAGES {
        let message = random::message(&mut Random::new(seed), writer, 3);
        match meaning::send(&message, reader, wire, mappings) {
            Outcome::Same => {}
            Outcome::Refused if !breaks => {
                return Err(format!(
                    "{message:?} is refused, but nothing was said to break"
                ));
            }
            Outcome::Differs if !breaks && !lossy => {
                return Err(format!("{message:?} changes, but nothing was said to"));
            }
            Outcome::Refused => refused = true,
            Outcome::Differs => differs = true,
        }
        if refused || differs && !breaks {
            break;
        }
    }
    if (breaks || lossy) && !refused && !differs {
        return Err("no message shows what was said to break or to be lost".to_owned());
    }
    Ok(())
}

/// Checks both directions.
fn prove_both(old: &Side, new: &Side, wire: Wire) -> Result<(), String> {
    let mut options = CompatOptions::default();
    options.json_unknown_fields = match wire {
        Wire::StrictJson => UnknownFields::Refused,
        Wire::Json | Wire::Protobuf => UnknownFields::Ignored,
    };
    let report = compat::check_with(&old.schema, &new.schema, options);
    for forward in [true, false] {
        prove(old, new, &report, wire, forward)
            .map_err(|error| format!("{} {error}\n{report}", if forward { ">" } else { "<" }))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn protobuf_verdicts_hold((old, new) in messages()) {
        let old = topic("proto3", "PROTOBUF", &members(&old), OTHERS);
        let new = topic("proto3", "PROTOBUF", &members(&new), OTHERS);
        prove_both(&side(old), &side(new), Wire::Protobuf).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn json_verdicts_hold((old, new) in messages()) {
        let old = topic("proto3", "JSON", &members(&old), OTHERS);
        let new = topic("proto3", "JSON", &members(&new), OTHERS);
        let (old, new) = (side(old), side(new));
        for wire in [Wire::Json, Wire::StrictJson] {
            prove_both(&old, &new, wire).map_err(TestCaseError::fail)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn json_verdicts_hold_for_names_that_are_alike(
        (old, new, syntax) in (named_fields(), named_fields(), 0..2_usize),
    ) {
        let syntax = ["proto3", "proto2"][syntax];
        let of = |members: &str| {
            let members = match syntax {
                "proto2" => members
                    .lines()
                    .map(|line| match line.split(' ').next() {
                        Some("repeated" | "optional") => format!("{line}\n"),
                        _ => format!("optional {line}\n"),
                    })
                    .collect(),
                _ => members.to_owned(),
            };
            let others = match syntax {
                "proto2" => "message N1 { optional int32 x = 1; }",
                _ => "message N1 { int32 x = 1; }",
            };
            try_topic(syntax, "JSON", &members, others)
        };
        // Names that are the same in JSON are refused.
        let (Some(old), Some(new)) = (of(&old), of(&new)) else {
            return Err(TestCaseError::reject("the names clash"));
        };
        let (old, new) = (side(old), side(new));
        for wire in [Wire::Json, Wire::StrictJson] {
            prove_both(&old, &new, wire).map_err(TestCaseError::fail)?;
        }
    }
}

/// One field of a version has the JSON name of one field of the other version and the `.proto` name of another.
#[test]
fn verdicts_hold_where_two_fields_are_read_as_one() {
    let two = "int32 foo_bar = 1 [json_name = \"foo_bar\"];\noptional int32 y = 2;\n";
    let one = "optional int32 y = 1 [json_name = \"foo_bar\"];\n";
    let [two, one] = [two, one].map(|members| side(topic("proto3", "JSON", members, OTHERS)));
    for wire in [Wire::Json, Wire::StrictJson] {
        prove_both(&two, &one, wire).unwrap();
        prove_both(&one, &two, wire).unwrap();
    }
}

/// Reads every type as every other type, in both formats.
#[test]
fn verdicts_hold_for_all_pairs_of_types() {
    let mut wrong = Vec::new();
    for (codec, wire) in [("PROTOBUF", Wire::Protobuf), ("JSON", Wire::Json)] {
        for label in ["", "optional ", "repeated "] {
            let schemas: Vec<_> = TYPES[..24]
                .iter()
                .map(|of| {
                    side(topic(
                        "proto3",
                        codec,
                        &format!("{label}{of} a = 1;"),
                        OTHERS,
                    ))
                })
                .collect();
            for (i, old) in schemas.iter().enumerate() {
                for (j, new) in schemas.iter().enumerate().skip(i) {
                    if let Err(error) = prove_both(old, new, wire) {
                        wrong.push(format!("{codec} {label}{} {}: {error}", TYPES[i], TYPES[j]));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Features that only proto2 has: required fields, defaults, groups.
#[test]
fn verdicts_hold_for_proto2() {
    let members = [
        "optional int32 a = 1;",
        "required int32 a = 1;",
        "optional int32 a = 1 [default = 5];",
        "optional int64 a = 1 [default = 5];",
        "repeated int32 a = 1;",
        "repeated int32 a = 1 [packed = true];",
        "optional string a = 1 [default = \"x\"];",
        "optional bytes a = 1 [default = \"x\"];",
        "optional group A = 1 { optional int32 b = 1; }",
        "optional group A = 1 { optional int32 b = 1; required int32 c = 2; }",
        "optional G a = 1;",
        "required int32 a = 1; required int32 b = 2;",
        "",
    ];
    let others = "message G { optional int32 b = 1; }";
    let mut wrong = Vec::new();
    let schemas = members.map(|members| side(topic("proto2", "PROTOBUF", members, others)));
    for (old, was) in schemas.iter().zip(members) {
        for (new, is) in schemas.iter().zip(members) {
            if let Err(error) = prove_both(old, new, Wire::Protobuf) {
                wrong.push(format!("{was} {is}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Enums: zero values swapped or renamed, several names for a number in any order, negative values
/// first, values in another order than their numbers, removed, added and renumbered values; in
/// every place that a field can have.
#[test]
fn verdicts_hold_for_all_pairs_of_enums() {
    let enums = [
        "A = 0; B = 1;",
        "B = 0; A = 1;",
        "Z = 0; B = 1;",
        "Z = 0; A = 1; B = 2;",
        "A = 0; Z = 2; B = 1;",
        "A = 0;",
        "A = 0; B = 1; C = 2;",
        "A = 0; B = -1;",
        "A = 0; C = -5; B = 1;",
        "option allow_alias = true; A = 0; B = 1; BB = 1;",
        "option allow_alias = true; A = 0; BB = 1; B = 1;",
        "option allow_alias = true; AA = 0; A = 0; B = 1;",
        "option allow_alias = true; A = 0; AA = 0; B = -1; BB = -1;",
    ];
    let fields = [
        "E a = 1;",
        "optional E a = 1;",
        "repeated E a = 1;",
        "map<string, E> a = 1;",
        "oneof o { E a = 1; int32 b = 2; }",
    ];
    let mut wrong = Vec::new();
    for (codec, wire) in [("PROTOBUF", Wire::Protobuf), ("JSON", Wire::Json)] {
        for field in fields {
            let schemas =
                enums.map(|of| side(topic("proto3", codec, field, &format!("enum E {{ {of} }}"))));
            for (old, was) in schemas.iter().zip(enums) {
                for (new, is) in schemas.iter().zip(enums) {
                    if let Err(error) = prove_both(old, new, wire) {
                        wrong.push(format!("{codec} {field} {was} -> {is}: {error}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A zero that is not written is a missing value for a reader with a wrapper or another of Google's
/// types. In the other direction, a missing value is read as zero.
#[test]
fn zeros_are_not_no_values() {
    const IMPORTS: &str = "import \"google/protobuf/wrappers.proto\"; import \"google/protobuf/struct.proto\"; \
        import \"google/protobuf/timestamp.proto\";";
    let number = |field: &str| topic("proto3", "JSON", &format!("{field} a = 1;"), IMPORTS);
    for (plain, google, loses) in [
        ("int32", "google.protobuf.Int32Value", true),
        ("int64", "google.protobuf.Value", true),
        ("bool", "google.protobuf.BoolValue", true),
        ("string", "google.protobuf.Value", true),
        ("optional int32", "google.protobuf.Int32Value", false),
        (
            "google.protobuf.Int32Value",
            "google.protobuf.Int64Value",
            false,
        ),
        (
            "repeated int32",
            "repeated google.protobuf.Int32Value",
            false,
        ),
    ] {
        let (old, new) = (number(plain), number(google));
        let report = compat::check(&old, &new);
        let said = |forward| {
            let found = report.findings.iter();
            found
                .filter(|of| of.rule == Rule::DefaultChanged && applies(of, forward))
                .count()
                > 0
        };
        // Publishers on the old schema send nothing for a zero.
        let mappings = [&old, &new].map(|of| Mapping::decode(&of.pool.encode_to_vec()).unwrap());
        let zero = mappings[0].to_wire("demo.M", b"{\"a\":0}");
        let zero = zero.or_else(|_| mappings[0].to_wire("demo.M", b"{\"a\":false}"));
        let zero = zero.or_else(|_| mappings[0].to_wire("demo.M", b"{\"a\":\"\"}"));
        let zero = zero.or_else(|_| mappings[0].to_wire("demo.M", b"{\"a\":[0]}"));
        let json = mappings[0].to_json("demo.M", &zero.unwrap()).unwrap();
        let read = mappings[1].to_wire("demo.M", &json).unwrap();
        assert_eq!(read.is_empty(), loses, "{plain} as {google}");
        assert_eq!(said(false), loses, "{plain} as {google}: {report}");
    }
    // A missing value, which is not written, is zero for readers of numbers and texts.
    for (google, plain) in [
        ("google.protobuf.Int32Value", "int32"),
        ("google.protobuf.Timestamp", "string"),
    ] {
        let report = compat::check(&number(google), &number(plain));
        let mut findings = report.findings.iter();
        assert!(
            findings.any(|of| of.rule == Rule::DefaultChanged && applies(of, false)),
            "{report}"
        );
    }
}

/// Google's types with the same fields mean different things.
#[test]
fn a_duration_is_no_time() {
    const IMPORTS: &str = "import \"google/protobuf/duration.proto\"; import \"google/protobuf/timestamp.proto\"; \
        import \"google/protobuf/wrappers.proto\"; \
        message Own { int64 seconds = 1; int32 nanos = 2; }";
    for label in ["", "repeated "] {
        let of = |name: &str| {
            let members = format!("{label}{name} a = 1;");
            topic("proto3", "PROTOBUF", &members, IMPORTS)
        };
        let [duration, time, number, own] = [
            "google.protobuf.Duration",
            "google.protobuf.Timestamp",
            "google.protobuf.Int64Value",
            "Own",
        ]
        .map(of);
        for other in [&duration, &number] {
            let report = compat::check(other, &time);
            assert!(!report.is_forward_compatible(), "{report}");
            assert!(!report.is_backward_compatible(), "{report}");
        }
        // A user's own type with these fields may mean either.
        assert!(compat::check(&own, &time).is_compatible());
    }
}

/// In proto2 the default is the first declared value, or another one that the field names.
#[test]
fn verdicts_hold_for_defaults_of_enums() {
    let enums = [
        "HIGH = 10; LOW = 1; MID = 5;",
        "LOW = 1; MID = 5; HIGH = 10;",
        "HIGH = 1; LOW = 10; MID = 5;",
        "MID = -3; LOW = 1; HIGH = 10;",
    ];
    let fields = [
        "optional E a = 1;",
        "optional E a = 1 [default = LOW];",
        "optional E a = 1 [default = MID];",
        "required E a = 1;",
        "repeated E a = 1;",
    ];
    let mut wrong = Vec::new();
    for (codec, wire) in [("PROTOBUF", Wire::Protobuf), ("JSON", Wire::Json)] {
        let mut schemas = Vec::new();
        for of in enums {
            for field in fields {
                let schema = topic("proto2", codec, field, &format!("enum E {{ {of} }}"));
                schemas.push((side(schema), format!("{field} {of}")));
            }
        }
        for (old, was) in &schemas {
            for (new, is) in &schemas {
                if let Err(error) = prove_both(old, new, wire) {
                    wrong.push(format!("{codec} {was} -> {is}: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
