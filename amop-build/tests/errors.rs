//! What fails a build, with the exact text, as `main` prints it.

use amop_build::{Builder, Error};
use std::{error, fs};

const HEAD: &str = "syntax = \"proto3\";\npackage p;\nimport \"amop/options.proto\";\n";

/// The error of compiling one file, as a build script's `main` prints it.
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

const TIMED: &str = "syntax = \"proto3\";\npackage p;\nimport \"amop/options.proto\";\n\
    import \"google/protobuf/timestamp.proto\";\n\
    message A {\n  option (amop.topic) = \"a\";\n  option (amop.codec) = JSON;\n  \
    repeated B b = 1;\n}\nmessage B { map<string, google.protobuf.Timestamp> at = 1; A a = 2; }\n";

#[test]
fn json_needs_code_for_all_types() {
    assert_eq!(
        error_of(TIMED, |builder| builder),
        "a.proto:6:3: topic \"a\" needs JSON, and there is no JSON code for `p.B.at`, a \
         `google.protobuf.Timestamp`: add `.extern_path(\".google.protobuf\", \
         \"::pbjson_types\")` to build.rs and pbjson-types to the dependencies, or use another type"
    );
    assert_eq!(
        error_of(
            "syntax = \"proto3\";\nimport \"amop/options.proto\";\nmessage A {\n  option \
             (amop.topic) = \"a\";\n  option (amop.codec) = JSON;\n}\n",
            |builder| builder
        ),
        "a.proto:4:3: topic \"a\" needs JSON, and there is no JSON code for types without a \
         package: add `package ...;` to the file with `A`"
    );
}

#[test]
fn json_code_may_be_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.proto"), TIMED).unwrap();
    amop_build::configure()
        .out_dir(dir.path())
        .emit_rerun_if_changed(false)
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile(&["a.proto"], &[dir.path()])
        .unwrap();
    let code = fs::read_to_string(dir.path().join("p.rs")).unwrap();
    assert!(code.contains("::pbjson_types::Timestamp"), "{code}");
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
        error.starts_with("the code generated in p.rs is no Rust: ")
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
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write {}: No such file or directory (os error 2)",
            missing.join("p.rs").display()
        )
    );
    assert!(matches!(error, Error::Io { .. }));
}
