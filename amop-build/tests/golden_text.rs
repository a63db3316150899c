//! The generated code, compared with readable files, which another test compiles.
//!
//! After a change of the generator, `AMOP_BLESS=1 cargo test -p amop-build --test it golden_text` writes
//! the files again.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn read_dir(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn generated_code_is_as_expected() {
    let out = tempfile::tempdir().unwrap();
    amop_build::configure()
        .out_dir(out.path())
        .include_file("mod.rs")
        .default_package_filename("bare")
        .emit_rerun_if_changed(false)
        .compile(
            &["shop/orders.proto", "bare.proto"],
            &[tests().join("schemas")],
        )
        .unwrap();
    let actual = read_dir(out.path());
    let golden = tests().join("golden");
    if env::var_os("AMOP_BLESS").is_some() {
        for name in read_dir(&golden).keys() {
            fs::remove_file(golden.join(name)).unwrap();
        }
        for (name, code) in &actual {
            fs::write(golden.join(name), code).unwrap();
        }
    }
    let expected = read_dir(&golden);
    assert_eq!(
        actual.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, code) in &actual {
        assert!(
            code == &expected[name],
            "{name} differs; if that is meant, run again with AMOP_BLESS=1. It is now:\n{code}"
        );
    }
}
