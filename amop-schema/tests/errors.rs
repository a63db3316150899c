//! Every mistake that a schema can have, with its place and the exact text.

use amop_schema::{OPTIONS_PROTO, Schema};
use prost::Message as _;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use std::{fs, path::Path};

const HEAD: &str = "syntax = \"proto3\";\npackage p;\nimport \"amop/options.proto\";\n";

/// Returns the errors of loading all these files, with paths below the include folder.
fn errors_of(files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let names: Vec<_> = files.iter().map(|(name, _)| name).collect();
    let errors = Schema::load(&names, &[dir.path()]).unwrap_err();
    assert_eq!(
        format!("{errors:?}"),
        errors.to_string(),
        "build scripts print Debug"
    );
    errors
        .to_string()
        .replace(&format!("{}/", dir.path().display()), "")
}

/// Returns the errors of one file: its text follows three lines that import the options.
fn errors(text: &str) -> String {
    errors_of(&[("a.proto", &format!("{HEAD}{text}"))])
}

#[test]
fn topics_have_1_to_254_bytes() {
    assert_eq!(
        errors("message M {\n  option (amop.topic) = \"\";\n}"),
        "a.proto:5:3: the topic of `p.M` is empty: give it a name of 1 to 254 bytes"
    );
    let longest = "ä".repeat(127);
    assert_eq!(
        errors(&format!(
            "message L {{ option (amop.topic) = \"{longest}\"; }}\n\
             message M {{\n  option (amop.topic) = \"{longest}xy\";\n}}"
        )),
        "a.proto:6:3: the topic of `p.M` is 256 bytes long and the protocol allows 254: shorten \
         it by 2"
    );
}

#[test]
fn topics_have_no_tab() {
    assert_eq!(
        errors("message M {\n  option (amop.topic) = \"a\\tb\";\n}"),
        "a.proto:5:3: the topic of `p.M` contains a tab, which nodes use to separate topics: \
         remove it"
    );
}

#[test]
fn a_topic_has_one_message_in_a_package() {
    let other = format!("{HEAD}message N {{ option (amop.topic) = \"t\"; }}");
    let first = format!("{HEAD}message M {{ option (amop.topic) = \"t\"; }}");
    assert_eq!(
        errors_of(&[("a.proto", &first), ("b.proto", &other)]),
        "b.proto:4:13: topic \"t\" of `p.N` belongs to `p.M` (a.proto:4:13): a topic has one \
         message type, so give one of them another topic or move it to another package"
    );
}

#[test]
fn replies_are_messages() {
    let topic = "option (amop.topic) = \"t\";";
    assert_eq!(
        errors(&format!(
            "message M {{ {topic}\n  option (amop.reply) = \"Nope\";\n}}"
        )),
        "a.proto:5:3: `p.M` is answered with `Nope`, and there is no such message: declare \
         `message Nope { ... }` or import the file that declares it"
    );
    assert_eq!(
        errors(&format!(
            "message M {{ {topic}\n  option (amop.reply) = \"q.okreply\";\n}} message OkReply {{}}"
        )),
        "a.proto:5:3: `p.M` is answered with `q.okreply`, and there is no such message: did you \
         mean `p.OkReply`?"
    );
    assert_eq!(
        errors(&format!(
            "message M {{ {topic}\n  option (amop.reply) = \"\";\n}}"
        )),
        "a.proto:5:3: `p.M` is answered with ``, and there is no such message: name the reply's \
         message type, or remove the option"
    );
}

#[test]
fn text_is_one_plain_string() {
    let text = |fields: &str| {
        errors(&format!(
            "message M {{\n  option (amop.topic) = \"t\";\n  option (amop.codec) = TEXT;\n  \
             {fields}\n}}"
        ))
    };
    let expected = |found: &str| {
        format!(
            "a.proto:6:3: codec TEXT needs a message with exactly one field, a plain `string`, \
             and `p.M` {found}: change the message, or use codec JSON"
        )
    };
    assert_eq!(
        text("string a = 1; string b = 2;"),
        expected("has 2 fields")
    );
    assert_eq!(text(""), expected("has no field"));
    for (field, found) in [
        ("int32 a = 1;", "of type `int32`"),
        ("bytes a = 1;", "of type `bytes`"),
        ("M a = 1;", "of type `p.M`"),
        ("optional string a = 1;", "optional"),
        ("oneof o { string a = 1; }", "in the oneof `o`"),
        ("repeated string a = 1;", "a list of `string`"),
        ("map<string, string> a = 1;", "a map"),
    ] {
        assert_eq!(
            text(field),
            expected(&format!("has the field `a`, which is {found}"))
        );
    }
}

#[test]
fn a_reply_as_text_is_one_plain_string() {
    assert_eq!(
        errors(
            "message M {\n  option (amop.topic) = \"t\";\n  option (amop.codec) = TEXT;\n  \
             option (amop.reply) = \"R\";\n  string a = 1;\n}\nmessage R {}"
        ),
        "a.proto:7:3: codec TEXT needs a message with exactly one field, a plain `string`, and \
         `p.R` has no field: change the message, or use codec JSON"
    );
}

#[test]
fn options_of_a_topic_need_one() {
    assert_eq!(
        errors("message M {\n  option (amop.reply) = \"M\";\n  option (amop.private) = true;\n}"),
        "a.proto:5:3: `p.M` has the option (amop.reply) and no topic: add `option (amop.topic) = \
         \"...\";` or remove it\n\
         a.proto:6:3: `p.M` has the option (amop.private) and no topic: add `option (amop.topic) \
         = \"...\";` or remove it"
    );
}

#[test]
fn a_topic_is_private_or_sealed() {
    assert_eq!(
        errors("message M {\n  option (amop.sealed) = true;\n}"),
        "a.proto:5:3: `p.M` has the option (amop.sealed) and no topic: add `option (amop.topic) = \
         \"...\";` or remove it"
    );
    assert_eq!(
        errors(
            "message M {\n  option (amop.topic) = \"m\";\n  option (amop.private) = true;\n  \
             option (amop.sealed) = true;\n}"
        ),
        "a.proto:7:3: the topic of `p.M` is private and sealed: remove `private`, since only holders of \
         the keys can read a sealed message anyway"
    );
}

#[test]
fn all_mistakes_of_all_files_are_reported() {
    let bad_syntax = "syntax = \"proto3\";\nmessage M {\n  string a = ;\n}\n";
    let bad_types = "syntax = \"proto3\";\nmessage A {\n  Nope a = 1;\n  string b = 1;\n}\n";
    let bad_topic = format!("{HEAD}message M {{\n  option (amop.topic) = \"\";\n}}");
    assert_eq!(
        errors_of(&[
            ("a.proto", bad_syntax),
            ("b.proto", bad_types),
            ("c.proto", &bad_topic),
        ]),
        "a.proto:3:14: expected an integer, but found ';'\n\
         b.proto:3:3: name 'Nope' is not defined\n\
         b.proto:4:14: field number '1' is already used\n\
         c.proto:5:3: the topic of `p.M` is empty: give it a name of 1 to 254 bytes"
    );
}

#[test]
fn a_forgotten_import_is_named() {
    assert_eq!(
        errors_of(&[(
            "a.proto",
            "syntax = \"proto3\";\nmessage M {\n  option (amop.topic) = \"t\";\n}\n"
        )]),
        "a.proto:3:3: name 'amop.topic' is not defined (add `import \"amop/options.proto\";`)"
    );
}

#[test]
fn unknown_options_and_values_are_the_compilers_to_report() {
    assert_eq!(
        errors("message M {\n  option (amop.topick) = \"t\";\n}"),
        "a.proto:5:3: 'amop.topick' resolves to 'amop.topick', which is not defined (the options \
         are (amop.topic), (amop.reply), (amop.codec), (amop.private) and (amop.sealed))"
    );
    assert_eq!(
        errors("message M {\n  option (amop.codec) = YAML;\n}"),
        "a.proto:5:3: expected a value of type 'amop.Codec' for option '(amop.codec)', but found \
         'YAML' (the codecs are PROTOBUF, JSON and TEXT)"
    );
}

#[test]
fn names_that_json_does_not_tell_apart_are_to_be_changed() {
    assert_eq!(
        errors("message M {\n  string a_b = 1;\n  string aB = 2;\n}"),
        "a.proto:6:10: camel-case name of field 'a_b' conflicts with field 'aB': names must differ in more than \
         `_` and case, because of JSON, so give one of them another name"
    );
}

#[test]
fn missing_files_are_named() {
    assert_eq!(
        errors_of(&[("a.proto", "syntax = \"proto3\";\nimport \"gone.proto\";\n")]),
        "a.proto:2:1: import 'gone.proto' not found"
    );
    let errors = Schema::load(&["gone.proto"], &[Path::new(".")]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "gone.proto does not exist, neither at this path nor in an include folder: check the path"
    );
    let dir = tempfile::tempdir().unwrap();
    let include = dir.path().join("include");
    let (inside, outside) = (include.join("a.proto"), dir.path().join("b.proto"));
    fs::create_dir(&include).unwrap();
    for file in [&inside, &outside] {
        fs::write(file, HEAD).unwrap();
    }
    let errors = Schema::load(&[&inside, &outside], &[&include]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        format!(
            "{} is not in any include folder: add its folder to the include folders",
            outside.display()
        )
    );
}

#[test]
fn a_codec_may_be_too_new() {
    let text =
        format!("{HEAD}message M {{ option (amop.topic) = \"t\"; option (amop.codec) = TEXT; }}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.proto"), text).unwrap();
    let mut compiler = protox::Compiler::new([
        dir.path(),
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"),
    ])
    .unwrap();
    let mut bytes = compiler
        .include_imports(true)
        .open_file("a.proto")
        .unwrap()
        .encode_file_descriptor_set();
    // The encoded option: its key, and 2 for TEXT.
    let key: &[u8] = &[0x80, 0xaa, 0x19];
    let at = bytes.windows(3).rposition(|found| found == key).unwrap();
    assert_eq!(bytes[at + 3], 2);
    bytes[at + 3] = 3;
    assert_eq!(
        Schema::from_descriptor_set(&bytes).unwrap_err().to_string(),
        "a.proto: `p.M` has the unknown codec 3: use PROTOBUF, JSON or TEXT, or a newer version \
         of this tool"
    );
}

#[test]
fn descriptor_sets_have_to_be_whole() {
    let advice = "Write it with `protoc --include_imports --descriptor_set_out=FILE`";
    let error = |bytes: &[u8]| Schema::from_descriptor_set(bytes).unwrap_err().to_string();
    assert_eq!(
        error(b"\xff"),
        format!(
            "this is not a usable descriptor set: failed to decode file descriptor set: failed to \
             decode Protobuf message: invalid varint. {advice}"
        )
    );
    let file = FileDescriptorProto {
        name: Some("a.proto".to_owned()),
        dependency: vec!["amop/options.proto".to_owned()],
        ..Default::default()
    };
    assert_eq!(
        error(&FileDescriptorSet { file: vec![file] }.encode_to_vec()),
        format!(
            "this is not a usable descriptor set: imported file 'amop/options.proto' has not been \
             added. {advice}"
        )
    );
}

/// The library does not support editions, and would panic.
#[test]
fn editions_are_refused() {
    let file = FileDescriptorProto {
        name: Some("new.proto".to_owned()),
        syntax: Some("editions".to_owned()),
        ..Default::default()
    };
    let bytes = FileDescriptorSet { file: vec![file] }.encode_to_vec();
    assert_eq!(
        Schema::from_descriptor_set(&bytes).unwrap_err().to_string(),
        "this is not a usable descriptor set: new.proto is written in a protobuf edition, which this version does \
         not read: use `syntax = \"proto3\";` or \"proto2\" in it. Write it with `protoc --include_imports \
         --descriptor_set_out=FILE`"
    );
    assert_eq!(
        errors_of(&[("a.proto", "// New.\nedition = \"2023\";\nmessage M {}\n")]),
        "a.proto:2:1: this is written in a protobuf edition, which this version does not read: use \
         `syntax = \"proto3\";` or \"proto2\""
    );
}

/// Any descriptor set is either read or refused.
#[test]
fn odd_descriptor_sets_are_refused() {
    let field = |name: &str, number, of: Option<i32>| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        r#type: of,
        ..Default::default()
    };
    let with = |field| FileDescriptorProto {
        name: Some("odd.proto".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("M".to_owned()),
            field: vec![field],
            ..Default::default()
        }],
        ..Default::default()
    };
    for field in [
        field("", 1, Some(5)),
        field("a", 0, Some(5)),
        field("a", 1, Some(99)),
        field("a", 1, None),
        FieldDescriptorProto {
            oneof_index: Some(7),
            ..field("a", 1, Some(5))
        },
        FieldDescriptorProto {
            type_name: Some(".Nobody".to_owned()),
            ..field("a", 1, Some(11))
        },
    ] {
        let set = FileDescriptorSet {
            file: vec![with(field.clone())],
        };
        // The test only checks that this returns.
        let read = Schema::from_descriptor_set(&set.encode_to_vec());
        if let Err(error) = read {
            assert!(
                error.to_string().contains("not a usable descriptor set"),
                "{field:?}: {error}"
            );
        }
    }
}

/// A package whose name contains the word `amop`.
#[test]
fn the_options_have_a_longer_name_in_some_packages() {
    let text = |option: &str| {
        format!(
            "syntax = \"proto3\";\npackage bank.amop.v1;\nimport \"amop/options.proto\";\n\
             message M {{\n  option ({option}) = \"t\";\n}}\n"
        )
    };
    let errors = errors_of(&[("a.proto", &text("amop.topic"))]);
    assert!(
        errors.starts_with("a.proto:5:3: ")
            && errors.ends_with(
                "(write `(.amop.topic)`: in this package, `amop` alone has another meaning)"
            ),
        "{errors}"
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.proto"), text(".amop.topic")).unwrap();
    let schema = Schema::load(&["a.proto"], &[dir.path()]).unwrap();
    assert_eq!(schema.topics[0].topic, "t");
}

/// Two folders, each with a file of the same name.
#[test]
fn files_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        let text = format!(
            "syntax = \"proto3\";\npackage {name};\nimport \"amop/options.proto\";\n\
             message M {{ option (amop.topic) = \"{name}\"; }}\n"
        );
        fs::write(dir.path().join(name).join("message.proto"), text).unwrap();
    }
    let place = |name: &str| dir.path().join(name);
    let files = [place("one/message.proto"), place("two/message.proto")];
    let errors = Schema::load(&files, &[place("one"), place("two")]).unwrap_err();
    assert_eq!(
        errors
            .to_string()
            .replace(&format!("{}/", dir.path().display()), ""),
        "two/message.proto would never be read: its name in imports is \"message.proto\", but this name means \
         one/message.proto. Use an include folder in which the two have different names, such as the one above \
         both, or change the order of the include folders"
    );
    // The advice of the error works.
    let schema = Schema::load(&files, &[dir.path()]).unwrap();
    assert_eq!(schema.topics.len(), 2);
}

#[test]
fn files_that_are_not_utf8_are_refused_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let gbk = b"syntax = \"proto3\";\nmessage M {} // \xb3\xc9\xbd\xbb\n";
    fs::write(dir.path().join("gbk.proto"), gbk).unwrap();
    let importing = "syntax = \"proto3\";\nimport \"gbk.proto\";\n";
    fs::write(dir.path().join("a.proto"), importing).unwrap();
    for file in ["gbk.proto", "a.proto"] {
        let errors = Schema::load(&[file], &[dir.path()]).unwrap_err();
        assert_eq!(
            errors
                .to_string()
                .replace(&format!("{}/", dir.path().display()), ""),
            "gbk.proto:2:17: this is not UTF-8 from here on: save the file as UTF-8, for example with \
             `iconv -f GBK -t UTF-8` if it is in GBK"
        );
    }
}

/// No text of a schema can move the cursor of a terminal that shows the error.
#[test]
fn signs_of_schemas_are_shown() {
    let errors = errors(
        "message M { option (amop.topic) = \"t\"; option (amop.reply) = \"a\\nerror: \\033[2J\u{202e}\"; }",
    );
    assert!(
        errors.contains("`a\\nerror: \\u{1b}[2J\\u{202e}`") && errors.lines().count() == 1,
        "{errors}"
    );
}

/// A byte order mark, which some editors write, is not a mistake.
#[test]
fn a_byte_order_mark_is_read_over() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("\u{feff}{HEAD}message M {{ option (amop.topic) = \"\"; }}");
    fs::write(dir.path().join("a.proto"), text).unwrap();
    let errors = Schema::load(&["a.proto"], &[dir.path()])
        .unwrap_err()
        .to_string();
    assert!(errors.contains("a.proto:4:13: the topic"), "{errors}");
}

#[test]
fn foreign_options_are_refused() {
    let foreign = OPTIONS_PROTO.replace("string topic = 51870", "string topic = 60000");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("amop")).unwrap();
    fs::write(dir.path().join("amop/options.proto"), foreign).unwrap();
    let set = protox::compile(["amop/options.proto"], [dir.path()]).unwrap();
    assert_eq!(
        Schema::from_descriptor_set(&set.encode_to_vec())
            .unwrap_err()
            .to_string(),
        "amop/options.proto: the extension `amop.topic` is not the one of amop/options.proto: use \
         the file that comes with amop-schema"
    );
}
