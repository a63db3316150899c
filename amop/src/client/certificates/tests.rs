use std::fs;

use super::*;

fn fill(dir: &Path) {
    fill_with(dir, FILES);
}

fn fill_with(dir: &Path, files: [&str; 3]) {
    fs::create_dir_all(dir).unwrap();
    for file in files {
        fs::write(dir.join(file), "").unwrap();
    }
}

#[test]
fn places_are_tried_in_order() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let configured = dir.join("elsewhere");

    let error = find(Some(configured.clone()), dir).unwrap_err();
    let places: Vec<_> = error.tried.iter().map(|(place, _)| place.clone()).collect();
    let order = [
        configured.clone(),
        dir.join("conf"),
        dir.to_owned(),
        dir.join("nodes/127.0.0.1/sdk"),
    ];
    assert_eq!(places, order);

    // From the last to the first: each place has priority over the later ones.
    for place in order.iter().rev() {
        fill(place);
        assert_eq!(find(Some(configured.clone()), dir).as_ref(), Ok(place));
    }
    assert_eq!(find(None, dir), Ok(dir.join("conf")));
}

#[test]
fn a_folder_of_a_chain_before_2_1_will_do() {
    let temp = tempfile::tempdir().unwrap();
    let conf = temp.path().join("conf");
    fill_with(&conf, OLD_FILES);
    assert_eq!(find(None, temp.path()), Ok(conf.clone()));
    fs::remove_file(conf.join("ca.crt")).unwrap();
    let error = find(None, temp.path()).unwrap_err().to_string();
    assert!(error.contains("conf: lacks ca.crt;"), "{error}");
}

#[test]
fn the_error_says_which_place_belongs_to_a_guomi_chain() {
    let temp = tempfile::tempdir().unwrap();
    let conf = temp.path().join("conf");
    fill_with(&conf, ["sm_ca.crt", "sm_sdk.crt", "sm_sdk.key"]);
    let error = find(None, temp.path()).unwrap_err().to_string();
    let part = "conf: has the certificates of a guomi (SM2) chain, which is not supported;";
    assert!(error.contains(part), "{error}");
}

#[test]
fn the_error_says_what_each_place_lacks() {
    let temp = tempfile::tempdir().unwrap();
    let conf = temp.path().join("conf");
    fill(&conf);
    fs::remove_file(conf.join("sdk.key")).unwrap();

    let error = find(None, temp.path()).unwrap_err().to_string();
    assert!(error.contains("$AMOP_CONF: not set"), "{error}");
    assert!(error.contains("conf: lacks sdk.key"), "{error}");
    assert!(error.contains("sdk: no such folder"), "{error}");
}
