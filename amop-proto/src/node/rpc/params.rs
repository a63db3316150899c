//! The methods of a node's JSON-RPC, and the parameters they take.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A method, as far as it decides the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    ClientVersion,
    BlockNumber,
    GroupList,
    NodeIdList,
    Peers,
    NodeInfo,
    Modules,
    /// A method that a FISCO node answers for one of its groups, with parameters of these kinds;
    /// `None` if the kinds are not known.
    OfGroup(Option<&'static [ParamKind]>),
    Unknown,
}

/// The kind of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ParamKind {
    Integer,
    Text,
    Flag,
    Object,
    Other,
}

use ParamKind::{Flag, Integer, Object, Text};

const GROUP: &[ParamKind] = &[Integer];
const GROUP_TEXT: &[ParamKind] = &[Integer, Text];
const GROUP_TEXT_FLAG: &[ParamKind] = &[Integer, Text, Flag];
const GROUP_TEXTS: &[ParamKind] = &[Integer, Text, Text];
const GROUP_OBJECT: &[ParamKind] = &[Integer, Object];

const GROUP_METHODS: &[(&str, Option<&[ParamKind]>)] = &[
    ("call", Some(GROUP_OBJECT)),
    ("estimateGas", None),
    ("getBatchReceiptsByBlockHashAndRange", None),
    ("getBatchReceiptsByBlockNumberAndRange", None),
    ("getBlockByHash", Some(GROUP_TEXT_FLAG)),
    ("getBlockByNumber", Some(GROUP_TEXT_FLAG)),
    ("getBlockHashByNumber", Some(GROUP_TEXT)),
    ("getBlockHeaderByHash", Some(GROUP_TEXT_FLAG)),
    ("getBlockHeaderByNumber", Some(GROUP_TEXT_FLAG)),
    ("getCode", Some(GROUP_TEXT)),
    ("getConsensusStatus", Some(GROUP)),
    ("getGroupPeers", Some(GROUP)),
    ("getObserverList", Some(GROUP)),
    ("getPbftView", Some(GROUP)),
    ("getPendingTransactions", Some(GROUP)),
    ("getPendingTxSize", Some(GROUP)),
    ("getSealerList", Some(GROUP)),
    ("getSyncStatus", Some(GROUP)),
    ("getSystemConfigByKey", Some(GROUP_TEXT)),
    ("getTotalTransactionCount", Some(GROUP)),
    ("getTransactionByBlockHashAndIndex", Some(GROUP_TEXTS)),
    ("getTransactionByBlockNumberAndIndex", Some(GROUP_TEXTS)),
    ("getTransactionByHash", Some(GROUP_TEXT)),
    ("getTransactionByHashWithProof", Some(GROUP_TEXT)),
    ("getTransactionReceipt", Some(GROUP_TEXT)),
    ("getTransactionReceiptByHashWithProof", Some(GROUP_TEXT)),
    ("sendRawTransaction", Some(GROUP_TEXT)),
    ("sendRawTransactionAndGetProof", Some(GROUP_TEXT)),
];

impl Method {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "getClientVersion" => Self::ClientVersion,
            "getBlockNumber" => Self::BlockNumber,
            "getGroupList" => Self::GroupList,
            "getNodeIDList" => Self::NodeIdList,
            "getPeers" => Self::Peers,
            "getNodeInfo" => Self::NodeInfo,
            "rpc_modules" => Self::Modules,
            name => GROUP_METHODS
                .iter()
                .find(|(known, _)| *known == name)
                .map_or(Self::Unknown, |(_, kinds)| Self::OfGroup(*kinds)),
        }
    }

    /// Returns whether these parameters are valid. A method without parameters accepts any.
    pub(super) fn takes(self, params: &Params) -> bool {
        let wanted = match self {
            Self::BlockNumber | Self::NodeIdList | Self::Peers => GROUP,
            Self::OfGroup(Some(kinds)) => kinds,
            _ => return true,
        };
        matches!(params, Params::List(list) if list.kinds() == Some(wanted))
    }

    /// The methods that need a group.
    #[cfg(test)]
    pub(super) fn of_groups() -> impl Iterator<Item = (&'static str, Option<&'static [ParamKind]>)>
    {
        GROUP_METHODS.iter().copied()
    }
}

/// More parameters than any method takes.
const MOST: usize = 4;

/// A request's parameters, reduced to the parts that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Params {
    /// There are none, or the value is null.
    #[default]
    None,
    List(ParamList),
    Named,
    /// Neither a list nor an object, so that the request is invalid.
    Bad,
}

/// The kinds of the first few parameters, and the number of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParamList {
    first: [ParamKind; MOST],
    len: usize,
}

impl ParamList {
    /// Returns the kinds; `None` if there are more parameters than any method takes.
    fn kinds(&self) -> Option<&[ParamKind]> {
        self.first.get(..self.len)
    }
}

/// Returns whether a FISCO node accepts a number with a decimal point as an integer.
pub(super) fn is_whole(number: f64) -> bool {
    // In the range from the least signed to the greatest unsigned 64-bit number.
    number.fract() == 0.0 && number >= -(2f64.powi(63)) && number < 2f64.powi(64)
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Params, A::Error> {
        let mut list = ParamList {
            first: [ParamKind::Other; MOST],
            len: 0,
        };
        while let Some(kind) = items.next_element()? {
            if let Some(place) = list.first.get_mut(list.len) {
                *place = kind;
            }
            list.len += 1;
        }
        Ok(Params::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Params::Named)
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Params, E> {
        Ok(Params::Bad)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Params, E> {
        Ok(Params::Bad)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Params, E> {
        Ok(Params::Bad)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Params, E> {
        Ok(Params::Bad)
    }

    fn visit_str<E>(self, _: &str) -> Result<Params, E> {
        Ok(Params::Bad)
    }
}

impl<'de> Deserialize<'de> for ParamKind {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = ParamKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parameter")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ParamKind, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ParamKind::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ParamKind, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Object)
    }

    fn visit_unit<E>(self) -> Result<ParamKind, E> {
        Ok(ParamKind::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<ParamKind, E> {
        Ok(Flag)
    }

    fn visit_i64<E>(self, _: i64) -> Result<ParamKind, E> {
        Ok(Integer)
    }

    fn visit_u64<E>(self, _: u64) -> Result<ParamKind, E> {
        Ok(Integer)
    }

    fn visit_f64<E>(self, number: f64) -> Result<ParamKind, E> {
        Ok(if is_whole(number) {
            Integer
        } else {
            ParamKind::Other
        })
    }

    fn visit_str<E>(self, _: &str) -> Result<ParamKind, E> {
        Ok(Text)
    }
}
