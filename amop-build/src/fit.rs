//! Adapts prost's structs so that prost's derives accept them and they keep every value.

use crate::{error::Unsupported, structs};
use amop_schema::Schema;
use heck::ToSnakeCase as _;
use prost_reflect::{Kind, MessageDescriptor};
use syn::ItemStruct;

/// Adapts a message's struct, and returns the features that cannot be supported.
pub(crate) fn fit_for_prost(
    schema: &Schema,
    message: &MessageDescriptor,
    item: &mut ItemStruct,
) -> Vec<Unsupported> {
    let proto = message.parent_file();
    let name = message.full_name();
    let mut refused = Vec::new();
    structs::keep_signed_zeros(item);
    structs::name_enums_from_outside(item);
    if let Some((one, other, function)) = structs::clashing_accessors(item) {
        refused.push(Unsupported {
            location: schema.location(proto.name(), message.path()),
            reason: format!(
                "the fields `{one}` and `{other}` of `{name}` would both have a function `{function}` in Rust: \
                 give one of them another name"
            ),
        });
    }
    for rust in structs::plain_enum_maps(item) {
        let field = message
            .fields()
            .find(|of| of.name().to_snake_case() == rust);
        let Some(field) = field else { continue };
        let first = match field.kind() {
            Kind::Message(entry) => match entry.map_entry_value_field().kind() {
                Kind::Enum(of) => of
                    .enum_descriptor_proto()
                    .value
                    .first()
                    .map(|it| it.number()),
                _ => None,
            },
            _ => None,
        };
        if first != Some(0) {
            refused.push(Unsupported {
                location: schema.location(proto.name(), field.path()),
                reason: format!(
                    "`{}` is a Rust keyword. A map cannot have this name if its values are of an enum that does \
                     not start with 0: give it another name",
                    field.full_name()
                ),
            });
        }
    }
    refused
}
