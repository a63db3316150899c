//! Types that topics in other files use.

use amop::Describe;

/// Further details.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Describe)]
pub(crate) struct Detail {
    #[serde(flatten)]
    common: Common,
    event: Event,
    value: Box<Id>,
}

type Id = u16;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Describe)]
struct Common {
    source: String,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Describe)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
enum Event {
    PriceChanged { new_price: i64 },
    Closed,
}
