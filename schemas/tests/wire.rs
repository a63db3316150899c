//! Tests that payloads are byte for byte what the libraries of the formats write, with nothing
//! added.

use amop::{Codec, Request, Topic};
use amop_schemas::{
    DESCRIPTOR_SET,
    file_transfer::FileChunk,
    hello::Hello,
    price::{Level, PriceTick, TradingState},
    settlement::{
        Account, Money, SettlementNotice, SettlementReceipt,
        settlement_notice::Method,
        settlement_receipt::{Booking, Outcome, Rejection},
    },
};
use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use std::fmt::Debug;

fn encode<T: Topic>(message: &T) -> Bytes {
    T::Codec::encode(message).unwrap()
}

fn decode<T: Topic>(payload: impl Into<Bytes>) -> Result<T, amop::CodecError> {
    T::Codec::decode(payload.into())
}

fn round_trip<T: Topic + PartialEq + Debug>(message: &T) {
    assert_eq!(&decode::<T>(encode(message)).unwrap(), message);
}

/// Returns the message as a library that does not know the generated code sees it.
fn reflected(name: &str, message: &impl Message) -> DynamicMessage {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap();
    let descriptor = pool.get_message_by_name(name).unwrap();
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap()
}

fn notice() -> SettlementNotice {
    SettlementNotice {
        reference: "eb6305c9-1f7f-49de-aed0-16487c27b42d".to_owned(),
        debtor: Some(Account {
            bank: "AAAADEFFXXX".to_owned(),
            number: "DE89370400440532013000".to_owned(),
        }),
        creditor: Some(Account {
            bank: "BBBBFRPPXXX".to_owned(),
            number: "FR7630006000011234567890189".to_owned(),
        }),
        amount: Some(Money {
            currency: "EUR".to_owned(),
            minor_units: 1_250_000_000_000,
        }),
        settled_at_ms: 1_767_225_600_123,
        method: Method::DeliveryVersusPayment.into(),
        remittance: vec!["INV-1".to_owned(), "合同-2".to_owned()],
    }
}

fn chunk() -> FileChunk {
    FileChunk {
        transfer: u64::MAX,
        name: "audit.log".to_owned(),
        size: 300,
        offset: 44,
        data: Bytes::from((0..=255).collect::<Vec<u8>>()),
        sha256: Some(vec![7; 32]),
    }
}

fn tick() -> PriceTick {
    PriceTick {
        isin: "DE0001102580".to_owned(),
        sequence: u64::MAX,
        time_ms: -1,
        bids: vec![
            Level {
                price_cents: 10_001,
                quantity: 5,
            },
            Level {
                price_cents: -3,
                quantity: 0,
            },
        ],
        asks: vec![Level::default()],
        last_cents: Some(0),
        trading_state: TradingState::Auction.into(),
        signature: vec![0xff, 0xfe, 0, 62, 63],
    }
}

#[test]
fn text_is_the_string() {
    for text in ["", "hello", "{\"not\": \"json\"}", "héllo 世界\n\t\0"] {
        let hello = Hello {
            text: text.to_owned(),
        };
        assert_eq!(encode(&hello), text.as_bytes());
        round_trip(&hello);
    }
    decode::<Hello>(&b"\xff"[..]).unwrap_err();
}

/// The messages as a program declares them that uses only prost.
mod by_hand {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Notice {
        #[prost(string, tag = "1")]
        pub(super) reference: String,
        #[prost(message, optional, tag = "2")]
        pub(super) debtor: Option<Account>,
        #[prost(message, optional, tag = "3")]
        pub(super) creditor: Option<Account>,
        #[prost(message, optional, tag = "4")]
        pub(super) amount: Option<Money>,
        #[prost(int64, tag = "5")]
        pub(super) settled_at_ms: i64,
        #[prost(int32, tag = "6")]
        pub(super) method: i32,
        #[prost(string, repeated, tag = "7")]
        pub(super) remittance: Vec<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Account {
        #[prost(string, tag = "1")]
        pub(super) bank: String,
        #[prost(string, tag = "2")]
        pub(super) number: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Money {
        #[prost(string, tag = "1")]
        pub(super) currency: String,
        #[prost(int64, tag = "2")]
        pub(super) minor_units: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Chunk {
        #[prost(fixed64, tag = "1")]
        pub(super) transfer: u64,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(uint64, tag = "3")]
        pub(super) size: u64,
        #[prost(uint64, tag = "4")]
        pub(super) offset: u64,
        #[prost(bytes = "vec", tag = "5")]
        pub(super) data: Vec<u8>,
        #[prost(bytes = "vec", optional, tag = "6")]
        pub(super) sha256: Option<Vec<u8>>,
    }
}

#[test]
fn protobuf_is_what_prost_gives() {
    let notice = notice();
    let account = |account: &Option<Account>| {
        account.as_ref().map(|account| by_hand::Account {
            bank: account.bank.clone(),
            number: account.number.clone(),
        })
    };
    let expected = by_hand::Notice {
        reference: notice.reference.clone(),
        debtor: account(&notice.debtor),
        creditor: account(&notice.creditor),
        amount: notice.amount.as_ref().map(|amount| by_hand::Money {
            currency: amount.currency.clone(),
            minor_units: amount.minor_units,
        }),
        settled_at_ms: notice.settled_at_ms,
        method: notice.method,
        remittance: notice.remittance.clone(),
    };
    assert_eq!(encode(&notice), expected.encode_to_vec());
    assert_eq!(
        encode(&notice),
        reflected("settlement.SettlementNotice", &notice).encode_to_vec()
    );
    round_trip(&notice);
    round_trip(&SettlementNotice::default());

    let chunk = chunk();
    let expected = by_hand::Chunk {
        transfer: chunk.transfer,
        name: chunk.name.clone(),
        size: chunk.size,
        offset: chunk.offset,
        data: chunk.data.to_vec(),
        sha256: chunk.sha256.clone(),
    };
    assert_eq!(encode(&chunk), expected.encode_to_vec());
    round_trip(&chunk);
    round_trip(&FileChunk::default());
}

#[test]
fn chunks_share_the_memory_of_their_payload() {
    let payload = encode(&chunk());
    let memory = payload.as_ptr_range();
    let chunk = decode::<FileChunk>(payload).unwrap();
    assert!(memory.contains(&chunk.data.as_ptr()));
}

#[test]
fn replies_travel_as_their_topic_does() {
    fn replies<T: Request<Reply = SettlementReceipt>>(receipt: &SettlementReceipt) {
        let payload = T::ReplyCodec::encode(receipt).unwrap();
        assert_eq!(payload, receipt.encode_to_vec());
        assert_eq!(&T::ReplyCodec::decode(payload).unwrap(), receipt);
    }
    for outcome in [
        None,
        Some(Outcome::Booked(Booking {
            entry: 9,
            value_date: 20_260_101,
        })),
        Some(Outcome::Rejected(Rejection {
            code: "AC04".to_owned(),
            text: "closed".to_owned(),
        })),
    ] {
        replies::<SettlementNotice>(&SettlementReceipt {
            reference: "r".to_owned(),
            outcome,
        });
    }
}

#[test]
fn json_is_the_json_mapping_of_protobuf() {
    let tick = tick();
    let payload = encode(&tick);
    assert_eq!(
        std::str::from_utf8(&payload).unwrap(),
        concat!(
            r#"{"isin":"DE0001102580","sequence":"18446744073709551615","timeMs":"-1","#,
            r#""bids":[{"priceCents":10001,"quantity":5},{"priceCents":-3}],"asks":[{}],"#,
            r#""lastCents":0,"tradingState":"TRADING_STATE_AUCTION","signature":"//4APj8="}"#
        )
    );
    let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(value, serde_json::to_value(&tick).unwrap());
    let reflected = reflected("price.PriceTick", &tick);
    assert_eq!(value, serde_json::to_value(&reflected).unwrap());
    round_trip(&tick);
    round_trip(&PriceTick::default());
    assert_eq!(encode(&PriceTick::default()), "{}");
}

#[test]
fn json_of_others_is_read() {
    let read = |json: &str| decode::<PriceTick>(json.to_owned());
    // Numbers that JavaScript can hold, names as in the schema, URL-safe base64, and the fields
    // of a later version of the schema.
    let tick = read(
        r#"{"sequence": 7, "time_ms": "8", "signature": "__4", "tradingState": 3, "venue": {}}"#,
    )
    .unwrap();
    assert_eq!(
        tick,
        PriceTick {
            sequence: 7,
            time_ms: 8,
            signature: vec![0xff, 0xfe],
            trading_state: TradingState::Halted.into(),
            ..Default::default()
        }
    );
    for wrong in [
        "",
        "[]",
        r#"{"isin": 1}"#,
        r#"{"signature": "%"}"#,
        r#"{"bids": {}}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
