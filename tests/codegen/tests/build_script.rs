//! A crate with a build script, as users have it: what Cargo prints for a wrong schema, and when it
//! runs the script again.

use std::{fs, path::PathBuf, process::Output};

use amop_testkit::{Projects, succeeded};
use serde_json::Value;

const BUILD: &str = r#"
use std::{error::Error, fs, io::Write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut runs = fs::OpenOptions::new().create(true).append(true).open("runs")?;
    runs.write_all(b"x")?;
    // Only OUT_DIR has to be writable.
    unsafe { std::env::set_var("TMPDIR", "/nowhere") };
    amop_build::compile(&["main.proto"], &["first", "proto"])?;
    Ok(())
}
"#;

/// A crate outside of this workspace.
struct Crate(Projects);

impl Crate {
    fn new() -> Self {
        let krate = Self(Projects::new(&["crate"]));
        krate.write("Cargo.toml", &Projects::manifest("amop-tests-build-script"));
        krate.write("build.rs", BUILD);
        krate.write("src/lib.rs", "");
        krate.0.finish();
        krate
    }

    fn write(&self, name: &str, text: &str) {
        self.0.write("crate", name, text);
    }

    fn build(&self) -> Output {
        let args = ["build", "--message-format=json"];
        self.0.cargo(&args).output().unwrap()
    }

    /// Builds the crate, and returns the folder with its generated files.
    #[track_caller]
    fn succeeds(&self) -> PathBuf {
        let output = self.build();
        succeeded(&output);
        let messages = String::from_utf8(output.stdout).unwrap();
        let out_dir = messages
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|message| message["reason"] == "build-script-executed")
            .filter(|message| {
                let id = message["package_id"].as_str().unwrap();
                id.contains("amop-tests-build-script")
            })
            .find_map(|message| message["out_dir"].as_str().map(PathBuf::from));
        out_dir.expect("Cargo names the build script's folder")
    }

    /// Builds the crate, which must fail, and returns what Cargo prints of the build script's
    /// error.
    #[track_caller]
    fn fails(&self) -> String {
        let output = self.build();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "it has to fail:\n{stderr}");
        let (_, shown) = stderr.split_once("--- stderr\n").expect(&stderr);
        let lines = shown.lines().take_while(|line| !line.is_empty());
        lines.map(str::trim).collect::<Vec<_>>().join("\n")
    }

    /// Returns how often the build script ran.
    fn runs(&self) -> usize {
        fs::read(self.0.member("crate").join("runs")).unwrap().len()
    }
}

const MAIN: &str = "syntax = \"proto3\";\npackage main;\nimport \"amop/options.proto\";\n\
    import \"sub/imported.proto\";\nimport \"google/protobuf/empty.proto\";\n\
    message A {\n  option (amop.topic) = \"a\";\n  imported.B b = 1;\n}\n";
const IMPORTED: &str = "syntax = \"proto3\";\npackage imported;\nmessage B { string text = 1; }\n";

#[test]
fn build_scripts_run_when_schemas_change_and_say_what_is_wrong() {
    let krate = Crate::new();
    krate.write("first/unused.proto", "not read");
    krate.write("proto/main.proto", MAIN);
    krate.write("proto/sub/imported.proto", IMPORTED);

    let out_dir = krate.succeeds();
    assert_eq!(krate.runs(), 1);
    let printed = fs::read_to_string(out_dir.join("../output")).unwrap();
    assert_eq!(
        printed,
        "cargo:rerun-if-changed=proto/main.proto\n\
         cargo:rerun-if-changed=proto/sub/imported.proto\n\
         cargo:rerun-if-changed=first\n"
    );
    let code = fs::read_to_string(out_dir.join("main.rs")).unwrap();
    assert!(code.contains("#[amop(topic = \"a\", codec = \"protobuf\")]"));
    assert!(out_dir.join("imported.rs").exists());

    // A change of files outside of the schema does not run the script.
    krate.write("proto/unused.proto", "not read either");
    krate.write("src/lib.rs", "//! Changed.\n");
    krate.succeeds();
    assert_eq!(krate.runs(), 1);

    krate.write(
        "proto/sub/imported.proto",
        &IMPORTED.replace("text", "words"),
    );
    krate.succeeds();
    assert_eq!(krate.runs(), 2);
    let code = fs::read_to_string(out_dir.join("imported.rs")).unwrap();
    assert!(code.contains("pub words:"));

    // A new file that is read instead of another one.
    krate.write(
        "first/sub/imported.proto",
        &IMPORTED.replace("text", "other"),
    );
    let out_dir = krate.succeeds();
    assert_eq!(krate.runs(), 3);
    let code = fs::read_to_string(out_dir.join("imported.rs")).unwrap();
    assert!(code.contains("pub other:"));

    // All mistakes of a schema are shown at once.
    let too_long = "x".repeat(255);
    krate.write(
        "proto/main.proto",
        &format!(
            "{MAIN}\
             message C {{ option (amop.topic) = \"a\"; }}\n\
             message D {{ option (amop.topic) = \"{too_long}\"; }}\n\
             message E {{\n  option (amop.topic) = \"e\";\n  option (amop.reply) = \"Gone\";\n}}\n\
             message F {{\n  option (amop.topic) = \"f\";\n  option (amop.codec) = TEXT;\n  \
             string a = 1;\n  string b = 2;\n}}\n"
        ),
    );
    assert_eq!(
        krate.fails(),
        "Error: proto/main.proto:10:13: topic \"a\" of `main.C` belongs to `main.A` \
         (proto/main.proto:7:3): a topic has one message type, so give one of them another topic \
         or move it to another package\n\
         proto/main.proto:11:13: the topic of `main.D` is 255 bytes long and the protocol allows \
         254: shorten it by 1\n\
         proto/main.proto:14:3: `main.E` is answered with `Gone`, and there is no such message: \
         declare `message Gone { ... }` or import the file that declares it\n\
         proto/main.proto:18:3: codec TEXT needs a message with exactly one field, a plain \
         `string`, and `main.F` has 2 fields: change the message, or use codec JSON"
    );

    krate.write("proto/main.proto", &MAIN.replace("b = 1;", "b = ;"));
    assert_eq!(
        krate.fails(),
        "Error: proto/main.proto:8:18: expected an integer, but found ';'"
    );
}
