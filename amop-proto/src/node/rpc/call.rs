//! Requests, reduced to the parts that matter.

use serde_json::{Number, Value, json};

use super::params::{Method, Params};

/// The maximum number of requests in a batch.
pub(super) const MAX_BATCH: usize = 64;

/// The requests of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// Not JSON.
    Broken,
    One(Call),
    Batch(Vec<Call>),
}

/// One request, reduced to the parts that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: Option<RpcId>,
    /// Whether the version is `2.0`.
    pub(super) current: bool,
    pub(super) method: Option<Method>,
    pub(super) params: Params,
}

/// A request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RpcId {
    Null,
    Text(String),
    /// A whole number.
    Number(Number),
    /// An id that JSON-RPC does not allow.
    Bad,
}

impl Call {
    /// Returns the method, if its parameters are valid, so that a result is sent.
    pub(super) fn of_method(&self) -> Option<Method> {
        self.method.filter(|method| method.takes(&self.params))
    }

    /// Returns the id of the request; null if it has none.
    pub(super) fn id(&self) -> &RpcId {
        self.id.as_ref().unwrap_or(&RpcId::Null)
    }
}

impl RpcId {
    /// Returns the id to write into the answer: an id that JSON-RPC does not allow becomes null.
    pub(super) fn printable(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Null | Self::Bad => Value::Null,
        }
    }
}
