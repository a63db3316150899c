//! Compiles the schemas in `proto/`, and generated ones: they have every name that has a meaning in
//! Rust, in prost or in this project, in every position that a name can have.

mod names;

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=names.rs");

    amop_build::compile(&["proto/comments.proto"], &["proto"])?;

    let folder = out.join("written");
    let code = out.join("names");
    for dir in [&folder, &code] {
        fs::create_dir_all(dir)?;
    }
    let mut files = Vec::new();
    for (name, text) in names::schemas() {
        let path = folder.join(name);
        fs::write(&path, text)?;
        files.push(path);
    }
    // A change of the generated files can only come from this script.
    amop_build::configure()
        .out_dir(&code)
        .include_file("all.rs")
        .file_descriptor_set_path(out.join("names.binpb"))
        .emit_rerun_if_changed(false)
        .compile(&files, &[&folder])?;
    fs::write(out.join("each_text.rs"), names::each_text())?;

    let code = out.join("users");
    fs::create_dir_all(&code)?;
    amop_build::configure()
        .out_dir(&code)
        .include_file("all.rs")
        .file_descriptor_set_path(out.join("users.binpb"))
        .compile(
            &[
                "proto/aliases.proto",
                "proto/enums.proto",
                "proto/floats.proto",
                "proto/marked.proto",
                "proto/methods.proto",
                "proto/old.proto",
                "proto/replies.proto",
                "proto/vec.proto",
            ],
            &["proto"],
        )?;
    Ok(())
}
