//! Compares the public items of crates with those of a baseline: `amop-semver BASELINE CURRENT CRATE...`, with two
//! folders of JSON files made by rustdoc. Fails if a program that compiles with the baseline may not compile with the
//! current version, unless the version says so: before 1.0, by a new minor version.
#![forbid(unsafe_code)]

mod compare;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use compare::{breaks, may_break};

/// A version of a crate.
struct Interface {
    version: String,
    /// Its public items, one a line, as Rust would declare them.
    items: Vec<String>,
}

impl Interface {
    /// Reads what rustdoc wrote; `None` if it wrote nothing, because there is no such crate.
    fn read(folder: &Path, name: &str) -> Result<Option<Self>, Box<dyn Error>> {
        let file: PathBuf = folder.join(format!("{}.json", name.replace('-', "_")));
        if !file.exists() {
            return Ok(None);
        }
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
        let version = json["crate_version"].as_str().unwrap_or_default();
        let api = public_api::Builder::from_rustdoc_json(&file)
            .omit_blanket_impls(true)
            .build()?;
        let items: Vec<String> = api.items().map(ToString::to_string).collect();
        if items.is_empty() {
            return Err(format!("{} has no public items", file.display()).into());
        }
        Ok(Some(Self {
            version: version.to_owned(),
            items,
        }))
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(baseline), Some(current)) = (arguments.next(), arguments.next()) else {
        return Err("usage: amop-semver BASELINE CURRENT CRATE...".into());
    };
    let mut failed = false;
    for name in arguments {
        failed |= !is_compatible(baseline.as_ref(), current.as_ref(), &name)?;
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Reports how a crate differs from its baseline, and returns whether its version allows that.
fn is_compatible(baseline: &Path, current: &Path, name: &str) -> Result<bool, Box<dyn Error>> {
    let new = Interface::read(current, name)?;
    let new = new.ok_or_else(|| format!("rustdoc wrote nothing for {name}"))?;
    let Some(old) = Interface::read(baseline, name)? else {
        println!("{name}: new");
        return Ok(true);
    };
    let breaks = breaks(&old.items, &new.items);
    let allowed = may_break(&old.version, &new.version);
    println!(
        "{name} {} -> {}: {} items, {} breaking changes",
        old.version,
        new.version,
        new.items.len(),
        breaks.len()
    );
    for line in &breaks {
        println!("  {line}");
    }
    Ok(allowed || breaks.is_empty())
}
