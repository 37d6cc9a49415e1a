//! Price tables, and what a benchmark's resources cost by them.
//!
//! Invariant: prices are exact decimals with a date and a source; amounts are integers, millionths of a dollar, rounded up
//! once. What is bought with a dollar and what is gained on one are integer quotients of those amounts, rounded down. What
//! it deliberately does not know: what is allocated to whom, which whoever measures says.

use serde::Deserialize;
use starling_core::Rate;
use starling_core::time::HOUR;
use starling_engine::strategies::parameter::Exact;
use starling_swarm::cost::{MONTH_HOURS, MicroDollars, PriceTable, Resources, Usage};

use super::Cost;

/// The tables that come with the program: E2B's, and a machine of one's own priced as a rented one.
const BUILT_IN: &str = include_str!("prices.toml");

/// Why a file of prices cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// It is not TOML, or not of this form.
    #[error("not a file of prices ([[prices]] with provider, vcpu_second, gib_second, date, source): {0}")]
    Form(String),
    /// There is no table in it.
    #[error("it holds no [[prices]] table; give at least one")]
    Empty,
    /// Two tables have one name.
    #[error("two [[prices]] tables have the provider `{0}`; leave one out")]
    Twice(String),
    /// A price is below zero.
    #[error("{field} of `{provider}` is {price}, but must not be below 0")]
    Negative {
        /// Whose.
        provider: String,
        /// Which.
        field: &'static str,
        /// What it is.
        price: String,
    },
    /// A text is empty that a reader needs.
    #[error("{field} of `{provider}` is empty; say when and where the prices were read")]
    Unsourced {
        /// Whose.
        provider: String,
        /// Which.
        field: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    prices: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    vcpu_second: Exact<Rate>,
    gib_second: Exact<Rate>,
    date: String,
    source: String,
}

/// The built-in tables.
#[must_use]
pub fn built_in() -> Vec<PriceTable> {
    read(BUILT_IN).expect("a test reads the built-in prices")
}

/// Price tables in TOML, as `prices.toml` beside this file has them.
///
/// # Errors
/// What is wrong with them.
pub fn read(text: &str) -> Result<Vec<PriceTable>, PriceError> {
    let file: File = toml::from_str(text).map_err(|e| PriceError::Form(e.message().to_owned()))?;
    let mut tables: Vec<PriceTable> = Vec::with_capacity(file.prices.len());
    for Entry { provider, vcpu_second, gib_second, date, source } in file.prices {
        for (field, price) in [("vcpu_second", vcpu_second.0), ("gib_second", gib_second.0)] {
            if price.units() < 0 {
                return Err(PriceError::Negative { provider, field, price: price.to_string() });
            }
        }
        for (field, text) in [("date", &date), ("source", &source)] {
            if text.trim().is_empty() {
                return Err(PriceError::Unsourced { provider, field });
            }
        }
        if tables.iter().any(|table| table.provider == provider) {
            return Err(PriceError::Twice(provider));
        }
        let billionths = |price: Exact<Rate>| price.0.units().unsigned_abs();
        let (vcpu_second, gib_second) = (billionths(vcpu_second), billionths(gib_second));
        tables.push(PriceTable { provider, vcpu_second, gib_second, date, source });
    }
    if tables.is_empty() { Err(PriceError::Empty) } else { Ok(tables) }
}

impl Cost {
    /// What `usage` costs by a table, and what an hour of `agents` agents with these resources would.
    #[must_use]
    pub fn of(
        prices: &PriceTable,
        subject: impl Into<String>,
        (agents, resources): (u32, Resources),
        usage: Usage,
        operations: u64,
    ) -> Self {
        let each = resources.over(HOUR);
        let hour = Usage { vcpu: each.vcpu * u128::from(agents), memory: each.memory * u128::from(agents) };
        Self {
            prices: prices.clone(),
            subject: subject.into(),
            agents,
            vcpu_seconds: usage.vcpu as f64 / 1e12,
            gib_seconds: usage.memory as f64 / 1_024e9,
            operations,
            micro_dollars: prices.price(usage).0,
            micro_dollars_hour: prices.price(hour).0,
        }
    }

    /// What it all cost.
    #[must_use]
    pub const fn spent(&self) -> MicroDollars {
        MicroDollars(self.micro_dollars)
    }

    /// An hour of the same agents.
    #[must_use]
    pub const fn hour(&self) -> MicroDollars {
        MicroDollars(self.micro_dollars_hour)
    }

    /// A month of them, [`MONTH_HOURS`] hours.
    #[must_use]
    pub const fn month(&self) -> MicroDollars {
        MicroDollars(self.micro_dollars_hour.saturating_mul(MONTH_HOURS))
    }

    /// What an operation cost, rounded up; none if none was done.
    #[must_use]
    pub fn per_operation(&self) -> Option<MicroDollars> {
        (self.operations > 0).then(|| MicroDollars(self.micro_dollars.div_ceil(self.operations)))
    }

    /// Operations that a dollar buys, rounded down; none if nothing was spent or done.
    #[must_use]
    pub fn operations_per_dollar(&self) -> Option<u64> {
        let bought = (u128::from(self.operations) * 1_000_000).checked_div(u128::from(self.micro_dollars))?;
        (self.operations > 0).then(|| u64::try_from(bought).unwrap_or(u64::MAX))
    }

    /// The return on what was spent, in 1/10,000, rounded down: what the same operations would have cost by `other`, less
    /// what they cost here, over what they cost here. Above zero, a dollar buys more here than there. None if either did
    /// nothing or was free.
    #[must_use]
    pub fn roi_bp(&self, other: &Self) -> Option<i64> {
        if self.operations == 0 || other.operations == 0 || self.micro_dollars == 0 || other.micro_dollars == 0 {
            return None;
        }
        let there = i128::from(other.micro_dollars) * i128::from(self.operations);
        let here = i128::from(self.micro_dollars) * i128::from(other.operations);
        let roi = (there - here).checked_mul(10_000)?.div_euclid(here);
        Some(i64::try_from(roi).unwrap_or(if roi > 0 { i64::MAX } else { i64::MIN }))
    }
}

#[cfg(test)]
mod tests {
    use starling_core::time::SECOND;

    use super::*;

    fn table(provider: &str) -> PriceTable {
        built_in().into_iter().find(|table| table.provider == provider).unwrap()
    }

    /// E2B's documentation: 8 vCPUs with 4 GiB cost 0.468 dollars an hour, the default of 2 and 512 MiB 0.1089.
    #[test]
    fn e2b_s_prices_are_those_of_its_documentation() {
        let hour = |vcpu_milli, memory_mib| table("e2b").price_for(Resources { vcpu_milli, memory_mib }, HOUR).0;
        assert_eq!((hour(8_000, 4_096), hour(2_000, 512)), (468_000, 108_900));
    }

    /// DigitalOcean's list: $0.02679 and $0.03571 an hour.
    #[test]
    fn the_local_prices_are_those_of_the_rented_machines() {
        let hour = |memory_mib| table("local").price_for(Resources { vcpu_milli: 2_000, memory_mib }, HOUR).0;
        assert_eq!((hour(2_048), hour(4_096)), (26_784, 35_712));
    }

    #[test]
    fn an_operation_an_hour_a_month_and_a_dollar() {
        // Five default agents for two seconds: 20 vCPU-seconds, 5 GiB-seconds: 280 + 22.5 millionths.
        let each = Resources::default();
        let two = each.over(2 * SECOND);
        let usage = Usage { vcpu: two.vcpu * 5, memory: two.memory * 5 };
        let cost = Cost::of(&table("e2b"), "mesh of 5", (5, each), usage, 100);
        assert_eq!((cost.vcpu_seconds, cost.gib_seconds), (20.0, 5.0));
        assert_eq!((cost.spent().0, cost.per_operation()), (303, Some(MicroDollars(4))));
        assert_eq!((cost.hour().0, cost.month().0), (544_500, 397_485_000));
        assert_eq!(cost.operations_per_dollar(), Some(330_033));
        let idle = Cost { operations: 0, ..cost.clone() };
        assert_eq!((idle.per_operation(), idle.operations_per_dollar(), idle.roi_bp(&cost)), (None, None, None));
    }

    #[test]
    fn a_return_is_what_the_same_would_have_cost_elsewhere() {
        let cost = |micro_dollars, operations| Cost {
            micro_dollars,
            ..Cost::of(&table("e2b"), "x", (1, Resources::default()), Usage::default(), operations)
        };
        // 3 millionths an operation here, 4 there: a third more for the dollar.
        assert_eq!(cost(300, 100).roi_bp(&cost(800, 200)), Some(3_333));
        assert_eq!(cost(800, 200).roi_bp(&cost(300, 100)), Some(-2_500));
        assert_eq!(cost(300, 100).roi_bp(&cost(300, 100)), Some(0));
        assert_eq!(cost(0, 100).roi_bp(&cost(300, 100)), None);
    }

    #[test]
    fn a_file_of_prices_is_refused_with_what_is_wrong() {
        let one = |more: &str| format!("[[prices]]\nprovider = \"x\"\nvcpu_second = \"0.1\"\n{more}");
        let whole = "gib_second = \"0.2\"\ndate = \"d\"\nsource = \"s\"\n";
        let table = read(&one(whole)).unwrap().remove(0);
        assert_eq!((table.vcpu_second, table.gib_second), (100_000_000, 200_000_000));
        assert!(matches!(read(&one("")), Err(PriceError::Form(words)) if words.contains("gib_second")));
        assert!(matches!(read("prices = 3"), Err(PriceError::Form(_))));
        assert_eq!(read(""), Err(PriceError::Empty));
        assert_eq!(read(&(one(whole) + &one(whole))), Err(PriceError::Twice("x".into())));
        let negative = read(&one(&whole.replace("0.2", "-0.2")));
        assert!(matches!(negative, Err(PriceError::Negative { field: "gib_second", .. })), "{negative:?}");
        let undated = read(&one(&whole.replace("\"d\"", "\" \"")));
        assert!(matches!(undated, Err(PriceError::Unsourced { field: "date", .. })), "{undated:?}");
    }
}
