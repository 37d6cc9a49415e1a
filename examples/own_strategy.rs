//! A strategy of your own, from data to a tested result: `cargo run --release -p starling-lab --example own_strategy`.
//!
//! It buys a share after it closed three days in a row below its 10-day average and sells on the first close above.

#![expect(clippy::print_stdout, reason = "an example talks")]

use starling_lab::prelude::*;

/// What the rule remembers. `Serialize` and `Deserialize` make it restorable; see [`Strategy::save`].
#[derive(Default)]
struct ThreeBelow {
    series: BarSeriesId,
    average: FeatureId,
    below: u32,
}

impl Strategy for ThreeBelow {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let share = setup.instrument("MSFT.US")?;
        self.series = setup.bars(BarSpec::parse(share, "1d last external")?)?;
        self.average = setup.feature(self.series, "SMA(10)")?;
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        let Some(average) = ctx.feature(self.series, self.average) else { return };
        let (share, position) = (bar.instrument, ctx.position(bar.instrument));
        self.below = if bar.close.to_f64() < average { self.below + 1 } else { 0 };
        if self.below >= 3 && position.is_zero() {
            ctx.submit(OrderRequest::market(share, Side::Buy, Qty::from_int(1_000)));
        } else if self.below == 0 && position.is_positive() {
            ctx.close(share);
        }
    }
}

const CONFIG: &str = r#"
name = "Three days below the average"
venues = [{ id = "US", fees = { per_unit = { amount = "0.005", min = "1" } } }]
accounts = [{ venue = "US", kind = "cash", balances = { USD = 100_000 } }]
instruments = [{ id = "MSFT.US", template = "equity", quote = "USD", price_digits = 4 }]
data = [{ path = "stocks5_1d_2000_2013.csv.gz", instrument = "MSFT.US", kind = "bars", series = "1d last external",
          where = { Ticker = "MSFT" }, columns = { adjusted_close = "Adj Close" }, price_digits = 4 }]
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../starling/demo").into();
    let outcome = Run::new(CONFIG, vec![data])?.strategy("three below", ThreeBelow::default()).execute()?;
    let record = outcome.record;
    println!("{} fills, equity {}", record.fills_total, record.account_equity["US"]["USD"]);
    assert!(record.fills_total > 100, "thirteen years hold more than fifty such dips");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_runs() {
        super::main().unwrap();
    }
}
