//! Errors that fail a build, with the exact text that `main` prints.

use amop_build::{BuildError, Builder};
use std::{error, fs};

const HEAD: &str = "syntax = \"proto3\";\npackage p;\nimport \"amop/options.proto\";\n";

/// proto2, because the compiler refuses more in proto3.
const PROTO2: &str = "syntax = \"proto2\";\npackage p;\nimport \"amop/options.proto\";\n";

/// Returns the error of compiling one file, as a build script's `main` prints it.
fn error_of(text: &str, configure: impl FnOnce(Builder) -> Builder) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.proto"), text).unwrap();
    let builder = amop_build::configure()
        .out_dir(dir.path())
        .emit_rerun_if_changed(false);
    let error: Box<dyn error::Error> = configure(builder)
        .compile(&["a.proto"], &[dir.path()])
        .unwrap_err()
        .into();
    let generated = fs::read_dir(dir.path()).unwrap().count() - 1;
    assert_eq!(generated, 0, "nothing is written if something is wrong");
    format!("{error:?}").replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn all_mistakes_of_a_schema_are_printed() {
    assert_eq!(
        error_of(
            &format!(
                "{HEAD}message A {{ option (amop.topic) = \"\"; }}\n\
                 message B {{ option (amop.topic) = \"b\"; option (amop.reply) = \"C\"; }}"
            ),
            |builder| builder
        ),
        "a.proto:4:13: the topic of `p.A` is empty: give it a name of 1 to 254 bytes\n\
         a.proto:5:40: `p.B` is answered with `C`, and there is no such message: declare `message \
         C { ... }` or import the file that declares it"
    );
}

#[test]
fn private_topics_leave_room_for_their_prefixes() {
    assert_eq!(
        error_of(
            &format!(
                "{HEAD}message A {{\n  option (amop.topic) = \"{}\";\n  option (amop.private) = \
                 true;\n}}",
                "a".repeat(186)
            ),
            |builder| builder
        ),
        "a.proto:5:3: the private topic of `p.A` is 186 bytes long and the protocol allows 185: \
         shorten it by 1"
    );
}

#[test]
fn replies_need_code() {
    let text = format!(
        "{HEAD}message A {{\n  option (amop.topic) = \"a\";\n  option (amop.reply) = \"B\";\n}}\n\
         message B {{}}"
    );
    assert_eq!(
        error_of(&text, |builder| builder.configure_prost(|prost| {
            prost.extern_path(".p.B", "::elsewhere::B");
        })),
        "a.proto:5:3: `p.A` is answered with `p.B`, for which no code is generated: if another \
         crate has it, name it with `Builder::extern_path`"
    );
}

#[test]
fn attributes_have_to_be_rust() {
    let error = error_of(&format!("{HEAD}message A {{}}"), |builder| {
        builder.type_attribute(".", "#[derive(")
    });
    assert!(
        error.starts_with("the code generated in p.rs is not valid Rust: ")
            && error.ends_with("; check the attributes that build.rs adds"),
        "{error}"
    );
}

#[test]
fn paths_have_to_be_rust() {
    let text = format!("{HEAD}message A {{ option (amop.topic) = \"a\"; }}");
    let error = error_of(&text, |builder| builder.amop_path("not a path"));
    assert!(error.contains("not a path"), "{error}");
}

#[test]
fn folders_have_to_exist() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.proto"), format!("{HEAD}message A {{}}")).unwrap();
    let missing = dir.path().join("missing");
    let error = amop_build::configure()
        .out_dir(&missing)
        .emit_rerun_if_changed(false)
        .compile(&["a.proto"], &[dir.path()])
        .unwrap_err();
    assert!(
        format!("{error:?}").starts_with(&format!(
            "cannot create a folder in {}: No such file or directory (os error 2)",
            missing.display()
        )),
        "{error}"
    );
    assert!(matches!(error, BuildError::Io { .. }));
}

/// Different names in a schema that are the same in Rust. The error has the place of the second.
#[test]
fn names_that_are_the_same_in_rust_are_mistakes() {
    for (text, expected) in [
        (
            "message A { optional string fooBAR = 1; optional string fooBar = 2; }",
            "4:41: `p.A.fooBAR` and `p.A.fooBar` would both be the field `foo_bar` in Rust: give one of them \
             another name",
        ),
        (
            "message A { optional string foo_bar = 1; oneof fooBar { int32 x = 2; } }",
            "4:42: `p.A.foo_bar` and `p.A.fooBar` would both be the field `foo_bar` in Rust: give one of them \
             another name",
        ),
        (
            "message FooBar {}\nmessage Foo_Bar {}",
            "5:1: `p.FooBar` and `p.Foo_Bar` would both be the type `FooBar` in Rust: give one of them another name",
        ),
        (
            "message A { message foo {} enum Foo { X = 0; } }",
            "4:28: `p.A.foo` and `p.A.Foo` would both be the type `Foo` in Rust: give one of them another name",
        ),
        (
            "message A { message Kind {} message KindOneOf {} oneof kind { int32 x = 1; } }",
            "4:50: `p.A.KindOneOf` and `p.A.kind` would both be the type `KindOneOf` in Rust: give one of them \
             another name",
        ),
        (
            "message A { oneof o { int32 aBC = 1; int32 aBc = 2; } }",
            "4:38: `p.A.aBC` and `p.A.aBc` would both be the variant `ABc` in Rust: give one of them another name",
        ),
        (
            "enum E { E_A = 0; A = 1; }",
            "4:19: `p.E.E_A` and `p.E.A` would both be the variant `A` in Rust: give one of them another name",
        ),
        (
            "enum E { X = 0; }\nmessage A { required E x = 1; repeated E set = 2; required E set_x = 3; }",
            "5:1: the fields `x` and `set_x` of `p.A` would both have a function `set_x` in Rust: give one of them \
             another name",
        ),
    ] {
        let error = error_of(&format!("{PROTO2}{text}"), |builder| builder);
        assert_eq!(error, format!("a.proto:{expected}"), "{text}");
    }
}

/// Names that are not possible in Rust.
#[test]
fn names_that_rust_has_no_place_for_are_mistakes() {
    let nothing = |what: &str| {
        format!("`{what}` has no letter or digit, so it has no name in Rust: give it another name")
    };
    for (text, place, expected) in [
        ("message A { optional int32 _ = 1; }", "4:13", nothing("p.A._")),
        ("message __ {}", "4:1", nothing("p.__")),
        ("enum E { X = 0; _ = 1; }", "4:17", nothing("p.E._")),
        ("message A { oneof _ { int32 x = 1; } }", "4:13", nothing("p.A._")),
        ("message A { oneof o { int32 __ = 1; } }", "4:23", nothing("p.A.__")),
        (
            "message A { message I32 { message B {} } }",
            "4:13",
            "the types nested in `p.A.I32` would be in the Rust module `i32`, which hides the Rust type of this name: \
             give the message another name"
                .to_owned(),
        ),
        (
            "message Str { oneof of { int32 x = 1; } }",
            "4:1",
            "the types nested in `p.Str` would be in the Rust module `str`, which hides the Rust type of this name: \
             give the message another name"
                .to_owned(),
        ),
        (
            "enum E { X = 1; }\nmessage A { map<string, E> type = 1; }",
            "5:13",
            "`p.A.type` is a Rust keyword. A map cannot have this name if its values are of an enum that does not \
             start with 0: give it another name"
                .to_owned(),
        ),
    ] {
        let error = error_of(&format!("{PROTO2}{text}"), |builder| builder);
        assert_eq!(error, format!("a.proto:{place}: {expected}"), "{text}");
    }
}

#[test]
fn packages_are_modules() {
    let error = |packages: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (n, package) in packages.iter().enumerate() {
            let name = format!("{n}.proto");
            let text = format!("syntax = \"proto3\";\npackage {package};\nmessage M{n} {{}}\n");
            fs::write(dir.path().join(&name), text).unwrap();
            files.push(name);
        }
        let error = amop_build::configure()
            .out_dir(dir.path())
            .emit_rerun_if_changed(false)
            .compile(&files, &[dir.path()])
            .unwrap_err();
        error
            .to_string()
            .replace(&format!("{}/", dir.path().display()), "")
    };
    assert_eq!(
        error(&["a.Bank", "a.bank"]),
        "1.proto:2:1: the packages `a.Bank` and `a.bank` would both be the module `a::bank` in Rust: give one of \
         them another name"
    );
    assert_eq!(
        error(&["a", "a.i32.b"]),
        "1.proto:2:1: the package `a.i32.b` would be in the Rust module `a::i32`, which hides the Rust type of this \
         name: give it another name"
    );
    assert_eq!(
        error(&["a._"]),
        "0.proto:2:1: a part of the package `a._` has no letter or digit, so it has no name in Rust: give it \
         another name"
    );
}

/// A build script prints all causes, each once.
#[test]
fn causes_are_printed_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(
        dir.path().join("a.proto"),
        format!("{HEAD}message A {{}}\n"),
    )
    .unwrap();
    fs::write(&file, "").unwrap();
    let error = amop_build::configure()
        .out_dir(file.join("folder"))
        .emit_rerun_if_changed(false)
        .compile(&["a.proto"], &[dir.path()])
        .unwrap_err();
    let (text, printed) = (error.to_string(), format!("{error:?}"));
    assert!(!text.contains("os error"), "{text}");
    assert_eq!(printed.matches("os error").count(), 1, "{printed}");
    assert!(printed.starts_with(&text), "{printed}");
}
