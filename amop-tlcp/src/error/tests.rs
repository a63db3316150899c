use std::io;

use super::*;
use crate::{IdentityError, stream::StreamError};

/// No text contains its cause, and each cause is the source of an error.
#[test]
fn texts_do_not_repeat_their_causes() {
    let mark = "the marked cause";
    let refusal = CertificateRefusal::new(Alert::UNKNOWN_CA, mark);
    let key = crate::PrivateKey::from_pem(mark).unwrap_err();
    let key_text = key.to_string();
    let errors: [(Box<dyn Error>, &str); 3] = [
        (Box::new(TlcpError::Refused(refusal)), mark),
        (Box::new(StreamError::Io(io::Error::other(mark))), mark),
        (Box::new(IdentityError::Key("signatures", key)), &key_text),
    ];
    for (error, cause) in errors {
        assert!(!error.to_string().contains(cause), "{error}");
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some(cause), "{error}");
    }
}
