//! Errors, for the program and for the person who reads its log: one file for each thing that can
//! fail.

mod certificates;
mod connect;
mod decode;
mod drain;
mod key;
mod private;
mod publish;
mod reply;
mod sdk_config;
mod sealed;
mod subscribe;

pub use certificates::CertificatesNotFound;
pub use connect::{ConnectError, ConnectStage};
pub use decode::DecodeError;
pub use drain::DrainError;
pub(crate) use key::MAX_FILE;
pub use key::{KeyError, KeyProblem};
pub use private::{GrantError, VerificationFailure};
pub use publish::{FlushError, PublishError, PublishErrorKind};
pub use reply::ReplyError;
pub use sdk_config::SdkConfigError;
pub use sealed::SealedDeliveryError;
pub use subscribe::SubscribeError;
