//! What prost-build does not do with descriptors: defaults that it does not read, and groups within
//! themselves.

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::{DescriptorProto, FileDescriptorProto};
use std::collections::HashSet;

/// Writes defaults as prost reads them. Which sign a NaN has is nothing to anybody.
pub(crate) fn readable(file: &mut FileDescriptorProto) {
    let mut next: Vec<&mut DescriptorProto> = file.message_type.iter_mut().collect();
    while let Some(message) = next.pop() {
        for field in &mut message.field {
            if field.default_value.as_deref() == Some("-nan") {
                field.default_value = Some("nan".to_owned());
            }
        }
        next.extend(&mut message.nested_type);
    }
}

/// Has fields be in a `Box` by way of which a message with groups would hold itself: prost does so for those
/// without groups.
pub(crate) fn box_groups(pool: &DescriptorPool, prost: &mut prost_build::Config) {
    let mut messages = pool.all_messages();
    if !messages.any(|message| message.fields().any(|field| field.is_group())) {
        return;
    }
    for message in pool.all_messages() {
        for field in message.fields() {
            let Some(of) = held(&field) else { continue };
            if !holds(&of, &message) {
                continue;
            }
            let oneof = field.containing_oneof().filter(|of| !of.is_synthetic());
            let path = match oneof {
                Some(oneof) => format!(".{}.{}", oneof.full_name(), field.name()),
                None => format!(".{}.{}", message.full_name(), field.name()),
            };
            prost.boxed(path);
        }
    }
}

/// The message that a field holds itself, rather than in a list.
fn held(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(of) if !field.is_list() && !field.is_map() => Some(of),
        _ => None,
    }
}

/// Whether a message is the other or holds one.
fn holds(message: &MessageDescriptor, other: &MessageDescriptor) -> bool {
    let mut known = HashSet::new();
    let mut next = vec![message.clone()];
    while let Some(message) = next.pop() {
        if message == *other {
            return true;
        }
        if known.insert(message.full_name().to_owned()) {
            next.extend(message.fields().filter_map(|field| held(&field)));
        }
    }
    false
}
