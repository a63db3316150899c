//! Schemas with every name that has a meaning in Rust, in prost or in this project, in every
//! position.

use heck::{ToSnakeCase, ToUpperCamelCase};
use std::{collections::HashSet, fmt::Write as _};

/// Keywords, including those that are reserved or special only in some places.
const KEYWORDS: &str = "abstract as async await become box break const continue crate default do dyn else enum \
    extern false final fn for gen if impl in let loop macro macro_rules match mod move mut override priv pub raw \
    ref return safe self static struct super trait true try type typeof union unsafe unsized use virtual where \
    while yield";

/// Functions of topics, messages and enums, and the variables of generated functions.
const FUNCTIONS: &str = "subscribe subscribe_to subscribe_private subscribe_sealed deliveries deliveries_to \
    deliveries_private deliveries_sealed publish_unicast publish_unicast_to publish_multicast \
    publish_multicast_to request request_to serve try_serve as_text from_text to_bytes from_bytes encode decode merge clear \
    encoded_len encode_raw merge_field clone eq fmt hash mapping serialize deserialize as_str_name from_str_name \
    is_valid from_i32 try_from drop tag wire_type buf ctx builder wrapper value this client TOPIC REQUEST NAME";

/// Names that are in scope everywhere, traits of derives, and types in generated code: of prost,
/// serde and this project.
const TYPES: &str = "Self Vec String ToString ToOwned Box Option Some None Result Ok Err Send Sync Sized Unpin Drop \
    Fn FnMut FnOnce AsyncFn Clone Copy PartialEq Eq PartialOrd Ord Hash Debug Default Iterator IntoIterator \
    Extend DoubleEndedIterator ExactSizeIterator AsRef AsMut Into From TryFrom TryInto FromIterator Future \
    IntoFuture Std T V E S D K Message Enumeration Oneof Name Inner ScalarWrapper KeyWrapper ValueWrapper \
    MapWrapper Error Formatter HashMap BTreeMap Serialize Deserialize Serializer Deserializer Topic Request \
    Client Subscription Deliveries Codec Mapping MAPPING STRUCT_NAME ProtoMessage ProtoReply TextValue LazyLock \
    i32 str bool Timestamp Any Empty enum type";

/// Crates, and names with a meaning in protobuf itself.
const CRATES: &str = "std core alloc amop prost prost_types bytes serde tokio google string message oneof map optional option";

/// Returns the names of these lists that stay different after `of` is applied, ignoring case, as
/// protobuf requires for JSON.
fn distinct(lists: &[&'static str], of: fn(&str) -> String) -> Vec<&'static str> {
    let mut known = HashSet::new();
    let mut names: Vec<_> = lists
        .iter()
        .flat_map(|list| list.split_whitespace())
        .collect();
    names.retain(|name| {
        let key = of(name).to_lowercase().replace('_', "");
        !key.is_empty() && known.insert(key)
    });
    names
}

/// Returns names of types and of items that are written like types.
fn types() -> Vec<&'static str> {
    distinct(&[TYPES], |name| name.to_upper_camel_case())
}

/// Returns names of fields and functions.
fn snakes() -> Vec<&'static str> {
    distinct(&[KEYWORDS, FUNCTIONS], |name| name.to_snake_case())
}

/// Returns names of modules. Those of primitive types are excluded: they would hide the types.
fn modules() -> Vec<&'static str> {
    distinct(&[KEYWORDS, CRATES], |name| name.to_snake_case())
}

fn file(package: &str, imports: &str, body: &str) -> String {
    format!(
        "syntax = \"proto3\";\npackage {package};\nimport \"amop/options.proto\";\n{imports}{body}"
    )
}

fn json(topic: &str) -> String {
    format!("option (.amop.topic) = \"{topic}\"; option (.amop.codec) = JSON;")
}

/// Returns the files: their names and texts.
pub(crate) fn schemas() -> Vec<(String, String)> {
    let mut files = vec![
        ("types.proto".to_owned(), messages()),
        ("text.proto".to_owned(), texts()),
        ("nested.proto".to_owned(), nested()),
        ("fields.proto".to_owned(), fields()),
        ("enums.proto".to_owned(), enums()),
        ("values.proto".to_owned(), values()),
        ("oneofs.proto".to_owned(), oneofs()),
        ("modules.proto".to_owned(), with_modules()),
    ];
    files.extend(packages());
    files
}

/// Returns messages that are topics and their own replies, and one JSON message that contains all
/// of them.
fn messages() -> String {
    let mut body = String::new();
    let mut whole = format!("message AllOfThem {{ {}\n", json("types.all"));
    for (n, name) in (1..).zip(types()) {
        let _ = writeln!(
            body,
            "message {name} {{ option (.amop.topic) = \"types.{n}\"; option (.amop.reply) = \"{name}\"; \
             string f = 1; .names.types.{name} again = 2; repeated .names.types.{name} more = 3; }}"
        );
        let _ = writeln!(whole, "  .names.types.{name} part{n} = {n};");
    }
    file("names.types", "", &format!("{body}{whole}}}\n"))
}

/// Returns messages that are plain text, as topics and as replies.
fn texts() -> String {
    let mut body = String::new();
    for (n, name) in (1..).zip(types()) {
        let _ = writeln!(
            body,
            "message {name} {{ option (.amop.topic) = \"text.{n}\"; option (.amop.codec) = TEXT; \
             option (.amop.reply) = \"{name}\"; string {name} = 1; }}"
        );
    }
    file("names.text", "", &body)
}

/// Returns a call of the function `text` for each of the types in `names.text`.
pub(crate) fn each_text() -> String {
    let call = |name: &str| {
        let name = match name.to_upper_camel_case().as_str() {
            "Self" => "Self_".to_owned(),
            name => name.to_owned(),
        };
        format!("text::<names::text::{name}>();\n")
    };
    let calls: String = types().into_iter().map(call).collect();
    format!("fn each_text() {{\n{calls}}}\n")
}

/// Returns messages and enums inside of a message.
fn nested() -> String {
    let mut messages = String::new();
    let mut of_messages = String::new();
    let mut enums = String::new();
    let mut of_enums = String::new();
    for (n, name) in (1..).zip(types()) {
        let _ = writeln!(messages, "  message {name} {{ string f = 1; }}");
        let _ = writeln!(
            of_messages,
            "  .names.nested.Messages.{name} part{n} = {n};"
        );
        let _ = writeln!(enums, "  enum {name} {{ ZERO_{n} = 0; ONE_{n} = 1; }}");
        let _ = writeln!(of_enums, "  .names.nested.Enums.{name} part{n} = {n};");
    }
    let body = format!(
        "message Messages {{ {}\n{messages}{of_messages}}}\nmessage Enums {{ {}\n{enums}{of_enums}}}\n",
        json("nested.messages"),
        json("nested.enums"),
    );
    file("names.nested", "", &body)
}

/// Returns fields of every kind.
fn fields() -> String {
    let mut body =
        "enum Of { OF_ZERO = 0; OF_ONE = 1; }\nmessage Part { string f = 1; }\n".to_owned();
    for (message, kind) in [
        ("Strings", "string"),
        ("OptionalStrings", "optional string"),
        ("Enums", ".names.fields.Of"),
        ("OptionalEnums", "optional .names.fields.Of"),
        ("RepeatedEnums", "repeated .names.fields.Of"),
        ("EnumMaps", "map<string, .names.fields.Of>"),
        ("Parts", ".names.fields.Part"),
    ] {
        let _ = writeln!(
            body,
            "message {message} {{ {}",
            json(&format!("fields.{message}"))
        );
        for (n, name) in (1..).zip(snakes()) {
            let _ = writeln!(body, "  {kind} {name} = {n};");
        }
        body.push_str("}\n");
    }
    file("names.fields", "", &body)
}

/// Returns enums, in fields of every kind.
fn enums() -> String {
    let mut body = String::new();
    for (n, name) in (1..).zip(types()) {
        let _ = writeln!(body, "enum {name} {{ ZERO_{n} = 0; ONE_{n} = 1; }}");
    }
    for (message, kind) in [
        ("InPlainFields", "{}"),
        ("InOptionalFields", "optional {}"),
        ("InRepeatedFields", "repeated {}"),
        ("InMaps", "map<string, {}>"),
    ] {
        let _ = writeln!(
            body,
            "message {message} {{ {}",
            json(&format!("enums.{message}"))
        );
        for (n, name) in (1..).zip(types()) {
            let kind = kind.replace("{}", &format!(".names.enums.{name}"));
            let _ = writeln!(body, "  {kind} part{n} = {n};");
        }
        body.push_str("}\n");
    }
    let _ = writeln!(
        body,
        "message InOneofs {{ {}\n  oneof of {{",
        json("enums.oneofs")
    );
    for (n, name) in (1..).zip(types()) {
        let _ = writeln!(body, "    .names.enums.{name} part{n} = {n};");
    }
    body.push_str("  }\n}\n");
    file("names.enums", "", &body)
}

/// Returns values of enums, with and without the enum's name as a prefix.
fn values() -> String {
    let mut bare = String::new();
    let mut prefixed = String::new();
    // Words that begin statements in an enum.
    let statement = |name: &&str| matches!(*name, "option" | "reserved");
    let names = types().into_iter().filter(|name| !statement(name));
    for (n, name) in names.enumerate() {
        let _ = writeln!(bare, "  {name} = {n};");
        let _ = writeln!(prefixed, "  PREFIXED_{} = {n};", name.to_uppercase());
    }
    let body = format!(
        "enum Bare {{\n{bare}}}\nenum Prefixed {{\n{prefixed}}}\nmessage Values {{ {}\n  \
         Bare bare = 1; repeated Bare bares = 2; optional Prefixed prefixed = 3; map<int32, Prefixed> map = 4;\n  \
         oneof either {{ Bare one = 5; Prefixed other = 6; }}\n}}\n",
        json("values"),
    );
    file("names.values", "", &body)
}

/// Returns oneofs, and their alternatives.
fn oneofs() -> String {
    let mut oneofs = String::new();
    let mut members = String::new();
    for (n, name) in (1..).zip(snakes()) {
        let _ = writeln!(oneofs, "  oneof {name} {{ string part{n} = {n}; }}");
    }
    for (n, name) in (1..).zip(types()) {
        let _ = writeln!(members, "    string {name} = {n};");
    }
    // Together with a type of the same name: one of the two needs another name in Rust.
    let beside = "oneof kind { Kind a = 1; int32 b = 2; Other c = 3; } message Kind { int32 x = 1; } \
        oneof other { string d = 4; Kind e = 5; } enum Other { OTHER_ZERO = 0; OTHER_ONE = 1; }";
    let body = format!(
        "message Oneofs {{ {}\n{oneofs}}}\nmessage Members {{ {}\n  oneof of {{\n{members}  }}\n}}\n\
         message Beside {{ {} {beside} }}\n",
        json("oneofs"),
        json("members"),
        json("beside"),
    );
    file("names.oneofs", "", &body)
}

/// Returns messages with types inside; these are in modules with the messages' names.
fn with_modules() -> String {
    let mut body = String::new();
    let mut whole = format!("message AllOfThem {{ {}\n", json("modules.all"));
    for (n, name) in (1..).zip(modules()) {
        let _ = writeln!(
            body,
            "message {name} {{ message Deep {{ string f = 1; Of of = 2; repeated Of ofs = 3; }} \
             enum Of {{ ZERO = 0; ONE = 1; }} Deep deep = 1; oneof either {{ Deep one = 2; Of other = 3; }} }}"
        );
        let _ = writeln!(whole, "  .names.modules.{name} part{n} = {n};");
    }
    file("names.modules", "", &format!("{body}{whole}}}\n"))
}

/// Returns packages, and a message with the types of all of them.
fn packages() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut imports = String::new();
    let mut whole = format!("message AllOfThem {{ {}\n", json("packages.all"));
    for (n, name) in (1..).zip(modules()) {
        let package = format!("names.packages.{name}.deep");
        let message = format!(
            "message M {{ {} option (.amop.reply) = \"{package}.M\"; string f = 1; }}\n",
            json(&format!("packages.{n}"))
        );
        files.push((format!("package_{n}.proto"), file(&package, "", &message)));
        let _ = writeln!(imports, "import \"package_{n}.proto\";");
        let _ = writeln!(whole, "  .{package}.M part{n} = {n};");
    }
    whole.push_str("}\n");
    let all = file("names.every_package", &imports, &whole);
    files.push(("packages.proto".to_owned(), all));
    files
}
