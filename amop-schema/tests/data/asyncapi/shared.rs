//! Types that topics in other files use.

/// Further details.
#[derive(serde::Serialize, serde::Deserialize)]
struct Detail {
    #[serde(flatten)]
    common: Common,
    event: Event,
    value: Box<Id>,
}

type Id = u16;

#[derive(serde::Serialize, serde::Deserialize)]
struct Common {
    source: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Event {
    PriceChanged { new_price: i64 },
    Closed,
}
