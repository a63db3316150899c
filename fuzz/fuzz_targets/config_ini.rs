//! A node's `config.ini`.
#![no_main]
#![forbid(unsafe_code)]

use amop_fuzz::{assert_error_in_one_line, assert_one_line};
use amop_node::{NodeBuilder, config::NodeConfig};
use amop_proto::log::with_causes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (config, warnings) = match NodeConfig::from_ini_str(text, "/etc/amop/config.ini") {
        Ok(read) => read,
        Err(error) => return assert_error_in_one_line(&error),
    };
    let lines = text.split('\n').count();
    for warning in warnings {
        assert!(warning.line.is_none_or(|line| (1..=lines).contains(&line)));
        assert_one_line(&warning);
    }
    // None of the files that it names exists.
    let error = NodeBuilder::from_config(&config).expect_err("there are no certificates");
    assert!(
        with_causes(&error).to_string().contains('/'),
        "the error names no file"
    );
});
