//! Random pairs of messages: a message and a changed version of it.

use proptest::prelude::*;

/// The types that fields of the messages below have.
pub const OTHERS: &str = "
message N1 { int32 x = 1; string y = 2; }
message N2 { int64 x = 1; bytes y = 2; }
message N3 { int32 x = 1; string y = 2; N3 z = 3; repeated N1 w = 4; }
message N4 { string key = 1; int32 value = 2; }
message E1 { enum E { A = 0; B = 1; C = 2; } }
message E2 { enum E { A = 0; C = 1; B = 5; } }
message E3 { enum E { A = 0; B = 1; C = 2; D = 3; } }
message E4 { enum E { A = 0; B = 1; X = 2; } }
message E5 { enum E { Z = 0; B = 1; C = -2; } }
";

/// Types of fields.
pub const TYPES: [&str; 26] = [
    "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
    "sfixed64", "bool", "float", "double", "string", "bytes", "N1", "N2", "N3", "N4", "E1.E",
    "E2.E", "E3.E", "E4.E", "E5.E", "string", "bytes",
];

/// A field of a random message.
#[derive(Clone, Debug)]
pub struct Field {
    name: char,
    number: u32,
    label: usize,
    of: usize,
}

impl Field {
    fn declaration(&self) -> String {
        let (name, number, of) = (self.name, self.number, TYPES[self.of]);
        let packed = !matches!(of, "string" | "bytes") && !of.starts_with('N');
        match self.label {
            0 | 6 => format!("{of} {name} = {number};"),
            1 => format!("optional {of} {name} = {number};"),
            2 => format!("repeated {of} {name} = {number};"),
            3 if packed => format!("repeated {of} {name} = {number} [packed = false];"),
            3 => format!("repeated {of} {name} = {number};"),
            4 => format!("map<string, {of}> {name} = {number};"),
            _ => format!("map<int32, {of}> {name} = {number};"),
        }
    }
}

/// Returns the declarations of the fields.
pub fn members(fields: &[Field]) -> String {
    let (inside, outside): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.label == 6);
    let lines = |fields: &[&Field]| -> String {
        fields
            .iter()
            .map(|field| field.declaration() + "\n")
            .collect()
    };
    let mut text = lines(&outside);
    if !inside.is_empty() {
        text += &format!("oneof choice {{\n{}}}\n", lines(&inside));
    }
    text
}

/// A change to a message.
#[derive(Clone, Debug)]
enum Change {
    Type(usize, usize),
    Label(usize, usize),
    Number(usize, u32),
    Name(usize, char),
    Remove(usize),
    Add(usize, usize),
    Swap(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let field = 0..3_usize;
    prop_oneof![
        4 => (field.clone(), 0..TYPES.len()).prop_map(|(at, of)| Change::Type(at, of)),
        3 => (field.clone(), 0..7_usize).prop_map(|(at, label)| Change::Label(at, label)),
        1 => (field.clone(), 7..9_u32).prop_map(|(at, number)| Change::Number(at, number)),
        1 => (field.clone(), prop::char::range('k', 'l')).prop_map(|(at, name)| Change::Name(at, name)),
        1 => field.clone().prop_map(Change::Remove),
        1 => (0..TYPES.len(), 0..7_usize).prop_map(|(of, label)| Change::Add(of, label)),
        1 => (field.clone(), field).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

fn apply(fields: &mut Vec<Field>, change: &Change) {
    let len = fields.len();
    match *change {
        Change::Type(at, of) if at < len => fields[at].of = of,
        Change::Label(at, label) if at < len => fields[at].label = label,
        Change::Number(at, number) if at < len && fields.iter().all(|f| f.number != number) => {
            fields[at].number = number;
        }
        Change::Name(at, name) if at < len && fields.iter().all(|f| f.name != name) => {
            fields[at].name = name;
        }
        Change::Remove(at) if at < len => {
            fields.remove(at);
        }
        Change::Add(of, label) if fields.iter().all(|f| f.number != 6) => fields.push(Field {
            name: 'f',
            number: 6,
            label,
            of,
        }),
        Change::Swap(a, b) if a < len && b < len => {
            let number = fields[a].number;
            fields[a].number = fields[b].number;
            fields[b].number = number;
        }
        _ => {}
    }
}

/// Two versions of a message.
pub fn messages() -> impl Strategy<Value = (Vec<Field>, Vec<Field>)> {
    let fields = prop::collection::vec((0..7_usize, 0..TYPES.len()), 1..4).prop_map(|fields| {
        fields
            .into_iter()
            .zip(('a'..='c').zip(1..))
            .map(|((label, of), (name, number))| Field {
                name,
                number,
                label,
                of,
            })
            .collect::<Vec<_>>()
    });
    (fields, prop::collection::vec(change(), 0..3)).prop_map(|(old, changes)| {
        let mut new = old.clone();
        for change in &changes {
            apply(&mut new, change);
        }
        (old, new)
    })
}

/// A message whose fields have similar names, with and without explicit JSON names.
pub fn named_fields() -> impl Strategy<Value = String> {
    let names = ["foo_bar", "fooBar", "x", "y", "x_1"];
    let json = ["fooBar", "foo_bar", "x", "y", "X", "a b"];
    let types = [
        "int32",
        "string",
        "bool",
        "N1",
        "repeated int32",
        "optional int32",
    ];
    let field = (0..names.len(), 0..json.len() + 5, 0..types.len(), 1..5_u32);
    prop::collection::vec(field, 1..4).prop_map(move |fields| {
        let (mut known, mut numbers) = (Vec::new(), Vec::new());
        let mut text = String::new();
        for (name, own, of, number) in fields {
            let (name, of) = (names[name], types[of]);
            if known.contains(&name) || numbers.contains(&number) {
                continue;
            }
            known.push(name);
            numbers.push(number);
            let own = json.get(own).map(|json| format!(" [json_name = {json:?}]"));
            text += &format!("{of} {name} = {number}{};\n", own.unwrap_or_default());
        }
        text
    })
}
