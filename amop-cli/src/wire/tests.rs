use super::*;
use crate::{generate::GenerateError, tap::TapError};

#[test]
fn texts_do_not_repeat_their_causes() {
    let mark = "the marked cause";
    let (system, endpoint) = (|| io::Error::other(mark), || "node:1".to_owned());
    let errors: [Box<dyn std::error::Error>; 5] = [
        Box::new(WireError::Tcp {
            endpoint: endpoint(),
            source: system(),
        }),
        Box::new(WireError::Tls {
            endpoint: endpoint(),
            source: HandshakeFailure::Io(system()),
        }),
        Box::new(TapError::Listen {
            address: ([127, 0, 0, 1], 1).into(),
            source: system(),
        }),
        Box::new(GenerateError::Read {
            path: "file".into(),
            source: system(),
        }),
        Box::new(GenerateError::Write {
            path: "file".into(),
            source: system(),
        }),
    ];
    for error in errors {
        amop_testkit::assert_causes_once(&*error, mark);
    }
}
