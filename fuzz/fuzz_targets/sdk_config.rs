//! A `config.toml` of the Java or the Go SDK.
#![no_main]
#![forbid(unsafe_code)]

use amop::SdkConfig;
use amop_fuzz::{assert_error_in_one_line, assert_one_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let config = match SdkConfig::parse("/etc/amop/config.toml", text) {
        Ok(config) => config,
        Err(error) => return assert_error_in_one_line(&error),
    };
    assert!(!config.endpoints.is_empty());
    let lines = text.split('\n').count();
    for warning in &config.warnings {
        assert!((1..=lines).contains(&warning.line));
        assert_one_line(warning);
    }
    for topic in &config.private_topics {
        assert!((1..=lines).contains(&topic.line));
    }
});
