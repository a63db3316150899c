use super::*;

#[test]
fn megabits_become_bytes_and_compression_counts_a_quarter() {
    let limit = |lines: &str| {
        let version = "[compatibility]\nsupported_version=2.11.1\n";
        let read = NodeConfig::from_ini_str(&format!("{version}{lines}"), "config.ini");
        bandwidth(&read.unwrap().0)
    };
    assert_eq!(limit(""), None);
    let set = "[flow_control]\noutgoing_bandwidth_limit=2.5\n";
    assert_eq!(limit(set), Some(312_500));
    let compressing = format!("{set}[p2p]\nenable_compress=true\n");
    assert_eq!(limit(&compressing), Some(1_250_000));
    let tiny = "[flow_control]\noutgoing_bandwidth_limit=0.000001\n";
    assert_eq!(limit(tiny), Some(1));
}
