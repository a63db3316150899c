//! The effects of the builder's options on the generated code.

use amop_build::{Builder, amop_schema::Schema};
use std::{fs, path::Path};
use tempfile::TempDir;

fn compile(configure: impl FnOnce(Builder, &Path) -> Builder) -> TempDir {
    let out = tempfile::tempdir().unwrap();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    let builder = amop_build::configure()
        .out_dir(out.path())
        .emit_rerun_if_changed(false);
    configure(builder, out.path())
        .compile(&[schemas.join("shop/orders.proto")], &[schemas])
        .unwrap();
    out
}

fn orders(configure: impl FnOnce(Builder) -> Builder) -> String {
    let out = compile(|builder, _| configure(builder));
    fs::read_to_string(out.path().join("shop.orders.v1.rs")).unwrap()
}

#[track_caller]
fn assert_contains(code: &str, expected: &str) {
    assert!(code.contains(expected), "{expected} is missing in\n{code}");
}

#[test]
fn attributes_are_passed_on() {
    let code = orders(|builder| {
        builder
            .type_attribute("Order.Type", "#[must_use]")
            .message_attribute("StockReply", "#[non_exhaustive]")
            .enum_attribute("Order.payment", "#[doc = \" Oneof.\"]")
            .field_attribute("Answer.text", "#[doc(alias = \"words\")]")
    });
    assert_contains(&code, "#[must_use]\n    #[derive(");
    assert_contains(&code, "#[non_exhaustive]\n#[derive(");
    assert_contains(&code, "/// Oneof.\n    #[derive(");
    assert_contains(&code, "#[doc(alias = \"words\")]\n    pub text");
}

#[test]
fn field_types_are_passed_on() {
    let code = orders(|builder| {
        builder
            .bytes("Order.signature")
            .btree_map("Order.notes")
            .boxed("Order.items")
            .disable_comments(".")
            .skip_debug("StockReply")
            .configure_prost(|prost| {
                prost.enable_type_names();
            })
    });
    assert_contains(
        &code,
        "pub signature: ::amop::__private::prost::bytes::Bytes",
    );
    assert_contains(
        &code,
        "pub notes: ::amop::__private::prost::alloc::collections::BTreeMap<",
    );
    assert_contains(&code, "impl ::amop::__private::prost::Name for Order {");
    assert!(!code.contains("/// An order"), "{code}");
}

#[test]
fn enum_prefixes_are_kept() {
    let code = orders(Builder::retain_enum_prefix);
    assert_contains(&code, "TypeExpress = 1");
}

#[test]
fn messages_have_the_json_mapping_if_asked_for() {
    let plain = orders(|builder| builder);
    let serde = "serde::Serialize for Question";
    assert!(!plain.contains(serde), "{plain}");
    let code = orders(|builder| builder.json(".shop.orders.v1.Question"));
    assert_contains(&code, serde);
    let out = compile(|builder, _| builder.json("."));
    let common = fs::read_to_string(out.path().join("shop.common.rs")).unwrap();
    assert_contains(&common, "serde::Serialize for Unrelated");
}

#[test]
fn crates_may_be_elsewhere() {
    let code = orders(|builder| builder.amop_path("crate::reexports::amop"));
    assert!(
        !code.contains(" ::amop::") && !code.contains("(::amop::"),
        "{code}"
    );
    assert_contains(&code, "#[derive(crate::reexports::amop::AmopTopic)]");
    assert_contains(&code, "crate = \"crate::reexports::amop\"");
    assert_contains(&code, "codec = crate::reexports::amop::codec::ProtoJson");
}

#[test]
fn types_elsewhere_are_not_generated() {
    let out = compile(|builder, _| builder.extern_path(".shop.common", "::shop_common"));
    assert!(!out.path().join("shop.common.rs").exists());
    let code = fs::read_to_string(out.path().join("shop.orders.v1.rs")).unwrap();
    assert_contains(&code, "reply = \"::shop_common::Receipt\"");
    assert_contains(&code, "::shop_common::Note");
}

#[test]
fn the_descriptor_set_keeps_topics() {
    let out = compile(|builder, out| builder.file_descriptor_set_path(out.join("set.binpb")));
    let set = fs::read(out.path().join("set.binpb")).unwrap();
    let schema = Schema::from_descriptor_set(&set).unwrap();
    let topics: Vec<_> = schema.topics.iter().map(|t| t.topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            "orders",
            "recalls",
            "questions \"and\" answers",
            "stock",
            "payments"
        ]
    );
}

#[test]
fn unchanged_files_are_not_written() {
    let out = compile(|builder, _| builder);
    let file = out.path().join("shop.orders.v1.rs");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    amop_build::configure()
        .out_dir(out.path())
        .emit_rerun_if_changed(false)
        .compile(&["shop/orders.proto"], &[schemas])
        .unwrap();
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
}

#[test]
fn private_topics_are_private_in_rust() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "syntax = \"proto3\";\npackage p;\nimport \"amop/options.proto\";\n\
        message A { option (amop.topic) = \"a\"; option (amop.private) = true; }\n\
        message B { option (amop.topic) = \"b\"; option (amop.private) = false; }\n";
    fs::write(dir.path().join("a.proto"), schema).unwrap();
    amop_build::configure()
        .out_dir(dir.path())
        .emit_rerun_if_changed(false)
        .compile(&["a.proto"], &[dir.path()])
        .unwrap();
    let code = fs::read_to_string(dir.path().join("p.rs")).unwrap();
    assert_contains(
        &code,
        r#"#[amop(topic = "a", codec = "protobuf", private)]"#,
    );
    assert_contains(&code, r#"#[amop(topic = "b", codec = "protobuf")]"#);
}
