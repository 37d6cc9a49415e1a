//! What it cost: an operation, an hour, a month, what a dollar buys, and what is gained on one.
//!
//! Amounts are integers until they are drawn. The dearest price table judges; the others stand beside it.

use starling_lab::bench::{Benchmark, Cost, Id};
use starling_swarm::cost::{MONTH_HOURS, MicroDollars, PriceTable};

use super::super::chart::{Bars, Horizontal, Ink, Layer, Measure, Plot, Shape, Spread};
use super::super::document::{Block, Cell, Fact, Table, numbers, words};
use super::super::number::{self, count, figure, grouped, percent, signed};
use super::super::palette::SERIES;
use super::{Matter, SHORT, listed, slug};

/// The benchmark that an operation is priced by.
const OPERATION: u32 = 16;

/// Every cost of a record, with its benchmark.
fn all<'a>(matter: &Matter<'a>) -> impl Iterator<Item = (&'a Benchmark, &'a Cost)> {
    matter.record.benchmarks.iter().flat_map(|b| b.costs.iter().map(move |cost| (b, cost)))
}

/// An amount: cents from a dollar on, below it every digit that is not zero, at least two.
pub(super) fn dollars(amount: MicroDollars) -> String {
    let MicroDollars(micro) = amount;
    if micro >= 1_000_000 {
        // Half a cent up: this is how it is shown, the integer stays what it is.
        let cents = micro.saturating_add(5_000) / 10_000;
        return format!("${}.{:02}", count(cents / 100), cents % 100);
    }
    let digits = format!("{micro:06}");
    let kept = digits.trim_end_matches('0').len().max(2);
    format!("$0.{}", &digits[..kept])
}

/// The dearest hour of any agents, and a part of a sentence about it.
pub(super) fn dearest_hour<'a>(matter: &Matter<'a>) -> Option<(&'a Cost, String)> {
    let (_, cost) = all(matter).max_by_key(|(_, cost)| cost.micro_dollars_hour)?;
    let text = format!("an hour of {} costs {} by {}", cost.subject, dollars(cost.hour()), cost.prices.provider);
    Some((cost, text))
}

/// What an operation costs: label, value, detail.
pub(super) fn operation(matter: &Matter) -> Option<(String, String, String)> {
    let of = all(matter).filter(|(b, _)| b.id == Id::Number(OPERATION));
    // Rounded up to a millionth, a cheap and a dear one look alike: they are ordered by what is exact.
    let exact = |cost: &Cost| cost.micro_dollars as f64 / cost.operations as f64;
    let done = of.filter_map(|(_, cost)| Some((cost, cost.per_operation()?)));
    let (cost, each) = done.max_by(|a, b| exact(a.0).total_cmp(&exact(b.0)))?;
    let bought = cost.operations_per_dollar().map_or(String::new(), |n| format!("{} for a dollar, ", count(n)));
    Some(("An operation costs".into(), dollars(each), format!("{bought}by {}", cost.prices.provider)))
}

/// The cost of the same benchmark and table with the fewest agents, if others have more.
fn fewest<'a>(b: &'a Benchmark, cost: &Cost) -> Option<&'a Cost> {
    let like = |other: &&Cost| other.prices.provider == cost.prices.provider;
    let first = b.costs.iter().filter(like).min_by_key(|other| other.agents)?;
    (first.agents < cost.agents).then_some(first)
}

/// The cost of the same agents by the dearest table, if this is not it.
fn dearest<'a>(b: &'a Benchmark, cost: &Cost) -> Option<&'a Cost> {
    let like = |other: &&Cost| (&other.subject, other.agents) == (&cost.subject, cost.agents);
    let first = b.costs.iter().filter(like).max_by_key(|other| other.micro_dollars_hour)?;
    (first.prices.provider != cost.prices.provider).then_some(first)
}

/// A return as a cell.
fn roi(cost: &Cost, other: Option<&Cost>) -> Cell {
    match other.and_then(|other| cost.roi_bp(other)) {
        Some(bp) => Cell::money(bp as f64, signed(percent(bp as f64 / 10_000.0, 1))),
        None => Cell::text("–"),
    }
}

/// The parts of the cost section that the benchmarks' own tables do not show.
pub(super) fn blocks(matter: &Matter) -> Vec<Block> {
    if all(matter).next().is_none() {
        return vec![Block::Text("The record holds no costs.".into())];
    }
    let mut blocks = vec![Block::Table(table(matter))];
    blocks.push(Block::Text(
        "Amounts are millionths of a dollar, rounded up. A return is what the same operations would have cost the other \
         way, less what they cost here, over what they cost here: above zero, a dollar buys more here. Returns are \
         against the same benchmark with the fewest agents, and against the dearest table."
            .into(),
    ));
    blocks.push(Block::Facts(tables(matter).into_iter().map(prices).collect()));
    blocks.extend(projection(matter));
    blocks.extend(growth(matter));
    blocks
}

fn table(matter: &Matter) -> Table {
    let row = |(b, cost): (&Benchmark, &Cost)| {
        let amount = |amount: MicroDollars| Cell::number(amount.0 as f64, dollars(amount));
        let maybe = |value: Option<Cell>| value.unwrap_or_else(|| Cell::text(number::UNDEFINED));
        vec![
            Cell::text(matter.called(b)),
            Cell::text(&cost.subject),
            Cell::text(&cost.prices.provider),
            Cell::count(u64::from(cost.agents)),
            Cell::count(cost.operations),
            Cell::number(cost.vcpu_seconds, figure(cost.vcpu_seconds)),
            Cell::number(cost.gib_seconds, figure(cost.gib_seconds)),
            amount(cost.spent()),
            maybe(cost.per_operation().map(amount)),
            maybe(cost.operations_per_dollar().map(Cell::count)),
            amount(cost.hour()),
            amount(cost.month()),
            roi(cost, fewest(b, cost)),
            roi(cost, dearest(b, cost)),
        ]
    };
    let columns = vec![
        words("Benchmark"),
        words("What"),
        words("Prices"),
        numbers("Agents"),
        numbers("Operations"),
        numbers("vCPU s"),
        numbers("GiB s"),
        numbers("Cost"),
        numbers("An operation"),
        numbers("For a dollar"),
        numbers("An hour"),
        numbers("A month"),
        numbers("Return, fewest"),
        numbers("Return, dearest"),
    ];
    let caption = format!("What it cost, and would cost in an hour and in a month of {MONTH_HOURS} hours");
    Table { caption, columns, rows: all(matter).map(row).collect(), total: None }
}

/// Every price table once.
fn tables<'a>(matter: &Matter<'a>) -> Vec<&'a PriceTable> {
    let mut tables: Vec<&PriceTable> = Vec::new();
    for (_, cost) in all(matter) {
        if !tables.contains(&&cost.prices) {
            tables.push(&cost.prices);
        }
    }
    tables
}

fn prices(table: &PriceTable) -> Fact {
    // Billionths of a dollar a second, as dollars an hour.
    let hour = |billionths: u64| grouped(billionths as f64 * 3_600.0 / 1e9, 5);
    let value = format!(
        "${} a vCPU hour, ${} a GiB hour, read {}: {}",
        hour(table.vcpu_second),
        hour(table.gib_second),
        table.date,
        table.source
    );
    Fact::new(format!("Prices: {}", table.provider), value)
}

/// An hour of every set-up of the benchmark that has most of them, by the dearest table.
fn projection(matter: &Matter) -> Vec<Block> {
    let Some((dearest, _)) = dearest_hour(matter) else { return Vec::new() };
    let mut blocks = Vec::new();
    for b in &matter.record.benchmarks {
        let of: Vec<&Cost> = b.costs.iter().filter(|cost| cost.prices == dearest.prices).collect();
        if of.len() < 2 {
            continue;
        }
        let hourly = b.unit.replace(' ', "") == "$/h";
        let limit = b.requirement.or(b.target).filter(|_| hourly);
        let rows = of.iter().map(|cost| {
            let month = dollars(cost.month());
            (
                cost.subject.clone(),
                cost.micro_dollars_hour as f64 / 1e6,
                format!("{}, {month} a month", dollars(cost.hour())),
            )
        });
        let ink = Ink::Series(matter.place(b.provider.as_deref()));
        blocks.push(Block::Bars(Bars {
            id: format!("hour-{}", slug(&b.key())),
            title: format!("{}: dollars an hour by {}", matter.called(b), dearest.prices.provider),
            rows: rows.collect(),
            inks: (ink, ink),
            limit: limit.map(|limit| (limit, format!("limit {}", super::with_unit(limit, "$")))),
        }));
    }
    blocks
}

/// What an operation costs over the number of agents, where a benchmark has three or more.
fn growth(matter: &Matter) -> Vec<Block> {
    let mut blocks = Vec::new();
    for b in &matter.record.benchmarks {
        let curve = |table: &PriceTable| -> Vec<(f64, f64)> {
            let of = b.costs.iter().filter(|cost| cost.prices == *table && cost.operations > 0);
            let mut points: Vec<(f64, f64)> =
                of.map(|cost| (f64::from(cost.agents), cost.micro_dollars as f64 / cost.operations as f64)).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points.dedup_by(|a, b| a.0 == b.0);
            points
        };
        let layers: Vec<Layer> = tables(matter)
            .into_iter()
            .map(|table| (table, curve(table)))
            .filter(|(_, points)| points.len() >= 3)
            .take(SERIES)
            .enumerate()
            .map(|(place, (table, points))| Layer {
                name: table.provider.clone(),
                ink: Ink::Series(place),
                shape: Shape::Dotted(points),
            })
            .collect();
        if !layers.is_empty() {
            blocks.push(Block::Plot(Plot {
                id: format!("operation-{}", slug(&b.key())),
                title: format!("{}: millionths of a dollar an operation, by agents", matter.called(b)),
                horizontal: Horizontal::Count("agents".into()),
                measure: Measure::Amount,
                spreads: &[Spread::Linear],
                height: SHORT,
                layers,
            }));
        }
    }
    blocks
}

/// What follows.
pub(super) fn conclusion(matter: &Matter) -> Option<String> {
    let (cost, hour) = dearest_hour(matter)?;
    let others: Vec<String> = tables(matter)
        .into_iter()
        .filter(|table| **table != cost.prices)
        .filter_map(|table| {
            let like = |(_, other): &(&Benchmark, &Cost)| other.prices == *table && other.subject == cost.subject;
            let (_, other) = all(matter).find(like)?;
            Some(format!("{} by {}", dollars(other.hour()), table.provider))
        })
        .collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", listed(&others, 4)) };
    Some(format!("At most, {hour}{others}, {} a month.", dollars(cost.month())))
}

/// The cheapest and the dearest set-up of a benchmark that has several with as many agents: name, cost of an operation.
pub(super) fn extremes<'a>(matter: &Matter<'a>) -> Option<(&'a Benchmark, [(&'a Cost, f64); 2])> {
    let (dearest, _) = dearest_hour(matter)?;
    let each = |cost: &'a Cost| (cost, cost.micro_dollars as f64 / cost.operations as f64);
    let mut found = None;
    for b in &matter.record.benchmarks {
        let of: Vec<(&Cost, f64)> = b
            .costs
            .iter()
            .filter(|c| c.prices == dearest.prices && c.operations > 0 && c.micro_dollars > 0)
            .map(each)
            .collect();
        let alike = of.windows(2).all(|pair| pair[0].0.agents == pair[1].0.agents);
        if of.len() >= 2 && alike && found.is_none() {
            let low = of.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
            let high = of.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
            found = Some((b, [low, high]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_money() {
        let shown = [0, 4, 108_900, 500_000, 1_000_000, 871_200, 635_976_000, 397_485_000_000]
            .map(|n| dollars(MicroDollars(n)));
        assert_eq!(shown, ["$0.00", "$0.000004", "$0.1089", "$0.50", "$1.00", "$0.8712", "$635.98", "$397,485.00"]);
    }
}
