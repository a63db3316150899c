//! How a value of one type is read as another type.

use crate::compat::{
    google::{Special, special},
    types::{self, ReadAs, type_name},
};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

/// The forms of values in JSON.
enum ValueForm {
    Integer((i128, i128)),
    Float,
    Double,
    Bool,
    Text,
    Base64,
    Enum(EnumDescriptor),
    Object(MessageDescriptor),
    /// A message of `google.protobuf` with a special form.
    Special(String),
}

fn form(kind: &Kind) -> ValueForm {
    match kind {
        Kind::Enum(values) if values.full_name() == "google.protobuf.NullValue" => {
            ValueForm::Special(values.full_name().to_owned())
        }
        Kind::Enum(values) => ValueForm::Enum(values.clone()),
        Kind::Bool => ValueForm::Bool,
        Kind::Float => ValueForm::Float,
        Kind::Double => ValueForm::Double,
        Kind::String => ValueForm::Text,
        Kind::Bytes => ValueForm::Base64,
        Kind::Message(message) => match special(message) {
            Special::No => ValueForm::Object(message.clone()),
            Special::Form => ValueForm::Special(message.full_name().to_owned()),
            Special::Wrapper => match message.get_field(1).map(|field| field.kind()) {
                Some(kind) if !matches!(kind, Kind::Message(_)) => form(&kind),
                _ => ValueForm::Object(message.clone()),
            },
        },
        number => match types::range(number) {
            Some(range) => ValueForm::Integer(range),
            None => ValueForm::Double,
        },
    }
}

/// Returns how a value of one type is read as the other type in JSON.
pub(super) fn in_json(from: &Kind, to: &Kind) -> ReadAs {
    let names = format!("`{}` is read as `{}`", type_name(from), type_name(to));
    let integers = |max: i128, range: (i128, i128)| {
        if -max <= range.0 && range.1 <= max {
            ReadAs::Same
        } else {
            ReadAs::Changed(format!("{names}, which rounds numbers beyond {max}"))
        }
    };
    match (form(from), form(to)) {
        (ValueForm::Integer(written), ValueForm::Integer(read)) => {
            if read.0 <= written.0 && written.1 <= read.1 {
                ReadAs::Same
            } else {
                ReadAs::Broken(format!(
                    "{names}, which refuses numbers outside {} to {}",
                    read.0, read.1
                ))
            }
        }
        (ValueForm::Integer(range), ValueForm::Double) => integers(1 << 53, range),
        (ValueForm::Integer(range), ValueForm::Float) => integers(1 << 24, range),
        (ValueForm::Double, ValueForm::Float) => ReadAs::Broken(format!(
            "{names}, which refuses numbers out of its range and rounds the others"
        )),
        (ValueForm::Integer(range), ValueForm::Enum(to)) if is_open(&to) && fits_i32(range) => {
            ReadAs::Changed(format!(
                "{names}, and readers see its default for numbers without a name"
            ))
        }
        (ValueForm::Float | ValueForm::Double, ValueForm::Double)
        | (ValueForm::Float, ValueForm::Float)
        | (ValueForm::Bool, ValueForm::Bool)
        | (ValueForm::Text, ValueForm::Text)
        | (ValueForm::Base64, ValueForm::Base64) => ReadAs::Same,
        (ValueForm::Enum(from), ValueForm::Enum(to)) => ReadAs::Enums(from, to),
        (ValueForm::Object(from), ValueForm::Object(to)) => ReadAs::Messages(from, to),
        (ValueForm::Special(from), ValueForm::Special(to)) if from == to => ReadAs::Same,
        (_, ValueForm::Special(to)) if to == "google.protobuf.Value" => {
            ReadAs::Remark(format!("{names}, which accepts anything"))
        }
        (ValueForm::Object(_), ValueForm::Special(to)) if to == "google.protobuf.Struct" => {
            ReadAs::Remark(format!("{names}, which accepts all objects"))
        }
        (ValueForm::Enum(_), ValueForm::Text) => {
            ReadAs::Remark(format!("{names}: as the value's name"))
        }
        (ValueForm::Integer(range), ValueForm::Text) if is_wide(range) => {
            ReadAs::Remark(format!("{names}: as decimal digits"))
        }
        (ValueForm::Special(from), ValueForm::Text)
            if ["Timestamp", "Duration", "FieldMask"]
                .iter()
                .any(|name| from.strip_prefix("google.protobuf.") == Some(name)) =>
        {
            ReadAs::Remark(format!("{names}: as its text"))
        }
        _ => ReadAs::Broken("the two are written in different ways".to_owned()),
    }
}

/// Returns whether an enum accepts numbers without a name.
fn is_open(of: &EnumDescriptor) -> bool {
    of.parent_file().syntax() == prost_reflect::Syntax::Proto3
}

fn fits_i32(range: (i128, i128)) -> bool {
    i128::from(i32::MIN) <= range.0 && range.1 <= i128::from(i32::MAX)
}

/// Returns whether a type's numbers are written as strings, because JavaScript would round them.
fn is_wide(range: (i128, i128)) -> bool {
    range.1 > i128::from(u32::MAX)
}

/// Compares two fields of different shapes: list, map and single value.
pub(super) fn other_shape(writer: &FieldDescriptor, reader: &FieldDescriptor) -> ReadAs {
    let to = match reader.kind() {
        Kind::Message(message) if !types::is_many(reader) => message.full_name().to_owned(),
        _ => String::new(),
    };
    let takes = match to.as_str() {
        "google.protobuf.Value" => true,
        "google.protobuf.Struct" => writer.is_map(),
        "google.protobuf.ListValue" => writer.is_list(),
        _ => false,
    };
    if takes {
        ReadAs::Remark(format!("it is read as `{to}`, which accepts it"))
    } else {
        ReadAs::Broken("lists, maps and single values do not read as each other".to_owned())
    }
}

/// Returns why keys of one type are not keys of another, if so. All keys are strings in JSON.
pub(super) fn keys(from: &Kind, to: &Kind) -> Option<String> {
    let fits = match (form(from), form(to)) {
        (_, ValueForm::Text) | (ValueForm::Bool, ValueForm::Bool) => true,
        (ValueForm::Integer(written), ValueForm::Integer(read)) => {
            read.0 <= written.0 && written.1 <= read.1
        }
        _ => false,
    };
    (!fits).then(|| {
        format!(
            "`{}` is read as `{}`, which refuses some keys",
            type_name(from),
            type_name(to)
        )
    })
}
