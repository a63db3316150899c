//! Descriptor sets, which may come from any program.

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorSet;
use std::{error::Error as _, panic};

/// Returns the files of a descriptor set, or the reason why it is not usable.
pub(super) fn pool(bytes: &[u8]) -> Result<DescriptorPool, String> {
    let set = FileDescriptorSet::decode(bytes)
        .map_err(|error| format!("failed to decode file descriptor set: {error}"))?;
    for file in &set.file {
        if !matches!(file.syntax(), "" | "proto2" | "proto3") {
            return Err(format!(
                "{} is written in a protobuf edition, which this version does not read: use \
                 `syntax = \"proto3\";` or \"proto2\" in it",
                file.name()
            ));
        }
    }
    // The library panics on descriptors that no compiler writes, and prints the unexpected part on
    // standard error.
    let decoded = panic::catch_unwind(|| DescriptorPool::decode(bytes));
    match decoded {
        Ok(Ok(pool)) => Ok(pool),
        Ok(Err(error)) => Err(match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }),
        Err(_) => Err("its descriptors contradict themselves".to_owned()),
    }
}
