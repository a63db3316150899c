//! The JSON forms of `google.protobuf` types.

use super::{
    Writer,
    values::{bytes, merged, special, utf8},
};
use crate::{
    ProtoJsonError,
    schema::{MessageForm, MessageSchema},
    time,
    wire::{self, WireItem},
};

/// The values in a message of `google.protobuf`, by number.
struct WellKnownValues<'w>(Vec<(u32, WireItem<'w>)>);

impl<'w> WellKnownValues<'w> {
    fn of(wire: &'w [u8]) -> Result<Self, ProtoJsonError> {
        wire::items(wire).map(Self)
    }

    fn all(&self, number: u32) -> Vec<WireItem<'w>> {
        let of = |(found, item): &(u32, WireItem<'w>)| (*found == number).then(|| item.clone());
        self.0.iter().filter_map(of).collect()
    }

    fn varint(&self, number: u32) -> Result<u64, ProtoJsonError> {
        match self.all(number).last() {
            None => Ok(0),
            Some(WireItem::Varint(value)) => Ok(*value),
            Some(_) => Err(super::wrong_type()),
        }
    }

    fn text(&self, number: u32) -> Result<&'w str, ProtoJsonError> {
        utf8(bytes(&self.all(number))?)
    }
}

impl Writer<'_> {
    pub(super) fn well_known(
        &mut self,
        form: MessageForm,
        message: &MessageSchema,
        wire: &[u8],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        let parts = WellKnownValues::of(wire)?;
        let time = || Ok::<_, ProtoJsonError>((parts.varint(1)? as i64, parts.varint(2)? as i32));
        match form {
            MessageForm::Timestamp => {
                let (seconds, nanos) = time()?;
                self.string(&time::timestamp(seconds, nanos)?)
            }
            MessageForm::Duration => {
                let (seconds, nanos) = time()?;
                self.string(&time::duration(seconds, nanos)?)
            }
            MessageForm::FieldMask => {
                let paths = parts.all(1);
                let paths = paths
                    .iter()
                    .map(|path| utf8(bytes(std::slice::from_ref(path))?));
                let mask = field_mask(&paths.collect::<Result<Vec<_>, _>>()?)?;
                self.string(&mask)
            }
            MessageForm::Any => self.any(parts.text(1)?, bytes(&parts.all(2))?, depth),
            MessageForm::Value => self.value(message, &parts, depth),
            MessageForm::Struct => {
                let field = &message.fields[0];
                let crate::schema::FieldShape::Map { key } = field.shape else {
                    return Err(unusual(message));
                };
                self.map(key, field.kind, &parts.all(1), depth)
            }
            MessageForm::ListValue => self.list(message.fields[0].kind, &parts.all(1), depth),
            // The default is written as well: the presence of the wrapper has a meaning.
            MessageForm::Wrapper | MessageForm::Object => {
                self.single(message.fields[0].kind, &parts.all(1), depth)
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
        self.string(url)?;
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

    fn value(
        &mut self,
        message: &MessageSchema,
        parts: &WellKnownValues<'_>,
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        let Some((number, last)) = parts.0.iter().rev().find(|(number, _)| *number <= 6) else {
            return Err(ProtoJsonError::new(
                "a `google.protobuf.Value` is empty: set `null_value` for null",
            ));
        };
        let field = message
            .by_number(*number)
            .map(|index| &message.fields[index])
            .ok_or_else(|| unusual(message))?;
        if let WireItem::Fixed64(bits) = last
            && let Some(name) = special(f64::from_bits(*bits))
        {
            return Err(ProtoJsonError::new(format!(
                "a `google.protobuf.Value` is {name}, which is not a number in JSON"
            )));
        }
        match last {
            WireItem::Bytes(_) => {
                // Pieces of one alternative are one message, unless another alternative came
                // between them.
                let others = parts.0.iter().rposition(|(found, _)| found != number);
                let pieces = &parts.0[others.map_or(0, |at| at + 1)..];
                let pieces: Vec<_> = pieces.iter().map(|(_, item)| item.clone()).collect();
                match field.kind {
                    crate::schema::FieldKind::Message(_) => {
                        let whole = merged(&pieces)?;
                        self.single(field.kind, &[WireItem::Bytes(&whole)], depth)
                    }
                    kind => self.single(kind, &pieces, depth),
                }
            }
            one => self.single(field.kind, std::slice::from_ref(one), depth),
        }
    }
}

fn unusual(message: &MessageSchema) -> ProtoJsonError {
    ProtoJsonError::new(format!(
        "`{}` differs from Google's declaration",
        message.name
    ))
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
