use super::*;

fn problem(text: &str) -> (usize, IniProblem) {
    let error = Ini::parse(text).unwrap_err();
    (error.line, error.problem)
}

#[test]
fn values_are_literal_and_lines_are_counted() {
    let text =
        "\u{feff}[a]\r\n\t; x=1\r\n  key = \"v\" ; not a comment \\\r\n#\r\n  b:c=d=e\n\n[b]x\ny=";
    let ini = Ini::parse(text).unwrap();
    let a = ini.section("a").unwrap();
    assert_eq!(a.line, 1);
    let key = a.get("key").unwrap();
    assert_eq!(
        (key.value.as_str(), key.line),
        ("\"v\" ; not a comment \\", 3)
    );
    assert_eq!(a.get("b:c").unwrap().value, "d=e");
    assert!(a.get("; x").is_none());
    assert_eq!(ini.section("b").unwrap().get("y").unwrap().value, "");
}

#[test]
fn what_boost_refuses_is_refused() {
    assert_eq!(problem("[a]\nb"), (2, IniProblem::NoEquals));
    assert_eq!(problem("\n=b"), (2, IniProblem::NoKey));
    assert_eq!(problem("[a\nb=c"), (1, IniProblem::UnclosedHeader));
    let (line, twice) = problem("[a]\nb=1\nc=2\n b =3");
    assert_eq!(line, 4);
    assert_eq!(
        twice,
        IniProblem::DuplicateKey {
            key: "b".into(),
            first: 2
        }
    );
    let (line, twice) = problem("[a]\nb=1\n[c]\nd=1\n[a]\ne=2");
    assert_eq!(line, 5);
    assert_eq!(
        twice,
        IniProblem::DuplicateSection {
            name: "a".into(),
            first: 1
        }
    );
}

#[test]
fn empty_sections_do_not_exist() {
    let ini = Ini::parse("[a]\n;b=1\n[c]\nd=1\n[a]\ne=2").unwrap();
    assert_eq!(ini.sections.len(), 2);
    assert_eq!(ini.section("a").unwrap().line, 5);
    assert!(Ini::parse("").unwrap().sections.is_empty());
}
