//! Changes to descriptors that prost-build needs: defaults in a form that it can read, and boxes
//! for recursive groups.

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::{DescriptorProto, FileDescriptorProto};
use std::collections::HashSet;

/// Rewrites defaults in the form that prost reads. The sign of a NaN does not matter.
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

/// Boxes the group fields through which a message would contain itself: prost boxes only other
/// message fields.
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

/// Returns the message that a field contains directly, not in a list.
fn held(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(of) if !field.is_list() && !field.is_map() => Some(of),
        _ => None,
    }
}

/// Returns whether a message is the other one or contains it.
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
