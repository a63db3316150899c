//! Compiles the schemas.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    amop_build::configure()
        // Chunks of files share the memory of the messages that they came in.
        .bytes(".file_transfer.FileChunk.data")
        .file_descriptor_set_path(out_dir.join("schemas.binpb"))
        .compile(
            &[
                "proto/hello.proto",
                "proto/settlement.proto",
                "proto/file_transfer.proto",
                "proto/price.proto",
            ],
            &["proto"],
        )?;
    Ok(())
}
