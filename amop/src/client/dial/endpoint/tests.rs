use super::*;

#[test]
fn endpoints_are_read_and_shown() {
    for text in ["127.0.0.1:20200", "node0.example.org:1", "[::1]:65535"] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert_eq!(parse("[::1]:2").unwrap().host(), "::1");
}

#[test]
fn what_is_no_endpoint_says_why() {
    let cases = [
        ("127.0.0.1", "no port"),
        (":20200", "no host"),
        ("host:0", "1 to 65535"),
        ("host:65536", "1 to 65535"),
        ("host:", "1 to 65535"),
        ("::1:20200", "without brackets"),
        ("fe80::1%eth0:20200", "without brackets"),
        ("tcp://127.0.0.1:20200", "like a URL"),
        (" https://node0.example.org:20200/", "like a URL"),
        ("channel://[::1]:20200", "like a URL"),
        ("node0:30300:20200", "several colons"),
        ("127.0.0.1:20200:", "several colons"),
        ("127.0.0.1:20200,127.0.0.1:20201", "several colons"),
        ("[host]:20200", "no IPv6 address"),
        ("//host:20200", "characters"),
        ("user@host:20200", "characters"),
    ];
    for (text, part) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
