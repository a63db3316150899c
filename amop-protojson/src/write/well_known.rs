//! The JSON forms of `google.protobuf` types.

use super::{
    Writer,
    values::{bytes, fixed64, special, utf8, varint},
};
use crate::{
    ProtoJsonError,
    schema::{FieldKind, FieldShape, MessageForm, MessageSchema},
    time,
};

impl<'s> Writer<'s> {
    pub(super) fn well_known(
        &mut self,
        form: MessageForm,
        message: &'s MessageSchema,
        wire: &[u8],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        let values = self.values(message, wire)?;
        let part = |number| values.of(number);
        let time = || Ok::<_, ProtoJsonError>((varint(part(1))? as i64, varint(part(2))? as i32));
        match form {
            MessageForm::Timestamp => {
                let (seconds, nanos) = time()?;
                self.json(&time::timestamp(seconds, nanos)?)
            }
            MessageForm::Duration => {
                let (seconds, nanos) = time()?;
                self.json(&time::duration(seconds, nanos)?)
            }
            MessageForm::FieldMask => {
                let paths = part(1).chunks(1).map(|path| utf8(bytes(path)?));
                self.json(&field_mask(&paths.collect::<Result<Vec<_>, _>>()?)?)
            }
            MessageForm::Any => self.any(utf8(bytes(part(1))?)?, bytes(part(2))?, depth),
            MessageForm::Value => {
                let Some((field, items)) = values.groups().next() else {
                    return Err(ProtoJsonError::new(
                        "a `google.protobuf.Value` is empty: set `null_value` for null",
                    ));
                };
                if field.kind == FieldKind::Double
                    && let Some(name) = special(f64::from_bits(fixed64(items)?))
                {
                    return Err(ProtoJsonError::new(format!(
                        "a `google.protobuf.Value` is {name}, which is not a number in JSON"
                    )));
                }
                self.single(field.kind, items, depth)
            }
            MessageForm::Struct => {
                let field = message.field(1)?;
                let FieldShape::Map { key } = field.shape else {
                    return Err(message.unusual());
                };
                self.map(key, field.kind, part(1), depth)
            }
            MessageForm::ListValue => self.list(message.field(1)?.kind, part(1), depth),
            // The default is written as well: the presence of the wrapper has a meaning.
            MessageForm::Wrapper | MessageForm::Object => {
                self.single(message.field(1)?.kind, part(1), depth)
            }
        }
    }

    fn any(&mut self, url: &str, content: &[u8], depth: u32) -> Result<(), ProtoJsonError> {
        self.open(b'{')?;
        if url.is_empty() && content.is_empty() {
            self.close(b'}');
            return Ok(());
        }
        let name = type_name(url)?;
        let schema = self.schema;
        let message = schema.find(name).ok_or_else(|| unknown_type(name))?;
        self.out.extend_from_slice(b"\"@type\":");
        self.json(url)?;
        let outer = std::mem::replace(&mut self.in_any, true);
        let written = if message.form == MessageForm::Object {
            super::below(depth).and_then(|depth| self.members(message, content, depth, false))
        } else {
            self.out.extend_from_slice(b",\"value\":");
            super::below(depth).and_then(|depth| self.message(message, content, depth))
        };
        self.in_any = outer;
        written.map_err(|error| error.field("value"))?;
        self.close(b'}');
        Ok(())
    }
}

pub(crate) fn unknown_type(name: &str) -> ProtoJsonError {
    ProtoJsonError::new(format!(
        "an `Any` holds a `{name}`, which this program does not know: import the file that declares it"
    ))
}

/// Returns the full name in a type URL.
pub(crate) fn type_name(url: &str) -> Result<&str, ProtoJsonError> {
    match url.rsplit_once('/') {
        Some((_, name)) if !name.is_empty() => Ok(name),
        _ => Err(ProtoJsonError::new(format!(
            "{url:?} names no type: write it as \"type.googleapis.com/full.Name\""
        ))),
    }
}

/// Returns the paths in lowerCamelCase, with commas between them.
fn field_mask(paths: &[&str]) -> Result<String, ProtoJsonError> {
    let camel: Vec<String> = paths.iter().map(|path| to_camel(path)).collect();
    let mask = camel.join(",");
    let read = read_field_mask(&mask).unwrap_or_default();
    if read != paths {
        let lost = paths.iter().enumerate();
        let lost = lost.map(|(at, path)| (path, read.get(at)));
        let (path, _) = lost
            .clone()
            .find(|(path, read)| *read != Some(&(**path).to_owned()))
            .unwrap_or((&"", None));
        return Err(ProtoJsonError::new(format!(
            "the path {path:?} of a field mask cannot be written in lowerCamelCase and read again: use \
             lower_snake_case"
        )));
    }
    Ok(mask)
}

fn to_camel(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '_' => out.extend(chars.next().map(|c| c.to_ascii_uppercase())),
            c => out.push(c),
        }
    }
    out
}

/// Returns the paths in the text of a field mask; `None` if it is not a field mask.
pub(crate) fn read_field_mask(mask: &str) -> Option<Vec<String>> {
    if mask.is_empty() {
        return Some(Vec::new());
    }
    mask.split(',')
        .map(|path| {
            let mut out = String::with_capacity(path.len());
            for c in path.chars() {
                match c {
                    '_' => return None,
                    'A'..='Z' => {
                        out.push('_');
                        out.push(c.to_ascii_lowercase());
                    }
                    c => out.push(c),
                }
            }
            Some(out)
        })
        .collect()
}
