use super::*;

#[test]
fn a_name_is_one_line_of_what_can_be_seen() {
    for (cn, shown) in [
        ("O'Hara \u{8bdd}", "CN=O'Hara \u{8bdd}"),
        ("a\u{202e}b\u{200b}", "CN=a\\u{202e}b\\u{200b}"),
        ("a\u{9b}2Jb\u{1b}[2J", "CN=a\\u{9b}2Jb\\u{1b}[2J"),
        ("a\nb", "CN=a\\nb"),
    ] {
        let name: Name = format!("CN={cn}").parse().unwrap();
        assert_eq!(one_line(&name), shown);
    }
}
