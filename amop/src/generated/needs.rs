//! Macros that generated code calls if it needs a feature of this crate. With the feature they expand to
//! nothing, without it to an error that names it.

#[cfg(feature = "json")]
#[doc(hidden)]
#[macro_export]
macro_rules! __need_json {
    () => {};
}

#[cfg(not(feature = "json"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __need_json {
    () => {
        ::core::compile_error!(
            "the codec \"json\" needs the feature `json` of the crate `amop`: add it to the features of the \
             dependency in Cargo.toml"
        );
    };
}

#[cfg(feature = "protobuf")]
#[doc(hidden)]
#[macro_export]
macro_rules! __need_protobuf {
    () => {};
}

#[cfg(not(feature = "protobuf"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __need_protobuf {
    () => {
        ::core::compile_error!(
            "the codec \"protobuf\" needs the feature `protobuf` of the crate `amop`: add it to the features of the \
             dependency in Cargo.toml"
        );
    };
}

#[cfg(feature = "private")]
#[doc(hidden)]
#[macro_export]
macro_rules! __need_private {
    () => {};
}

#[cfg(not(feature = "private"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __need_private {
    () => {
        ::core::compile_error!(
            "a private topic needs the feature `private` of the crate `amop`: add it to the features of the \
             dependency in Cargo.toml"
        );
    };
}
