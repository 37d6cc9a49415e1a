//! What a run leaves: the JSON object of DESIGN's contract, the report files, the summary in the terminal.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use starling_lab::bench::BenchRecord;
use starling_lab::tearsheet::{AgentRecord, RunRecord, STATISTICS, SwarmRecord, Unit};

use crate::report::{self, BenchReport, Past};
use crate::terminal::{Failure, say};

/// Writes a file whole or not at all. A folder that takes no file is bad usage.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let partial = path.with_extension("partial");
    let told = |error| format!("{}: cannot be written: {error}", path.display());
    let mut file = fs::File::create(&partial).map_err(|error| Failure::usage(told(error)))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
        Failure::run(told(error))
    })
}

/// Creates a folder for output; one that cannot be is bad usage, told before anything runs.
pub(crate) fn folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| {
        let path = path.display();
        Failure::usage(format!("{path}: the output folder cannot be created: {e}; name another"))
    })
}

/// The report in all its forms: its pages and `report.json`. Gives the path of the page.
pub(crate) fn reports(record: &RunRecord, out: &Path) -> Result<PathBuf, Failure> {
    let page = pages(record, out)?;
    let json = record.to_json().map_err(|e| Failure::run(e.to_string()))?;
    write_whole(&out.join("report.json"), json.as_bytes())?;
    Ok(page)
}

/// `report.html`, and `report.md` with its charts. Gives the path of the page.
pub(crate) fn pages(record: &RunRecord, out: &Path) -> Result<PathBuf, Failure> {
    written(&out.join("report.html"), &report::html(record), report::markdown(record, "charts"), "charts")
}

/// `bench.html`, and `bench.md` with its charts. Gives the path of the page.
pub(crate) fn bench_pages(record: &BenchRecord, past: &Past, out: &Path) -> Result<PathBuf, Failure> {
    report::check(record, past).map_err(Failure::usage)?;
    let page = out.join("bench.html");
    let report = BenchReport::of(record, past);
    written(&page, &report.html(), report.markdown("bench-charts"), "bench-charts")
}

/// A page, its Markdown beside it, and the charts of that in a folder.
///
/// The Markdown never names a chart that is not there: charts come before it, and those that only the report before it named
/// go after it. Nothing else in the folder is touched.
fn written(
    page: &Path,
    html: &str,
    (text, charts): (String, Vec<(String, String)>),
    folder: &str,
) -> Result<PathBuf, Failure> {
    let (sheet, beside) = (page.with_extension("md"), page.with_file_name(folder));
    self::folder(&beside)?;
    // What cannot be read names nothing; writing over it tells what is wrong with it.
    let earlier = fs::read_to_string(&sheet).unwrap_or_default();
    for (name, svg) in &charts {
        write_whole(&beside.join(name), svg.as_bytes())?;
    }
    write_whole(page, html.as_bytes())?;
    write_whole(&sheet, text.as_bytes())?;
    let is_stale = |name: &&str| !charts.iter().any(|(kept, _)| kept == name);
    for name in report::charts(&earlier, folder).filter(is_stale) {
        let stale = beside.join(name);
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let shown = stale.display();
                return Err(Failure::run(format!("{shown}: a chart of an earlier report cannot be removed: {error}")));
            }
            _ => {}
        }
    }
    Ok(page.to_owned())
}

/// The object that `--json` prints.
pub(crate) fn object(record: &RunRecord, report: Option<&Path>) -> Value {
    let shown = |path: &Path| path.display().to_string();
    let mut object = json!({
        "name": record.name,
        "balances": record.balances,
        "equity": record.account_equity,
        "orders": record.orders_total(),
        "fills": record.fills_total,
        "positions": record.positions,
        "account_events": record.account_events,
        "events": record.events,
        "denied": record.denials,
        "run_hash": record.run_hash,
        "statistics": record.statistics,
        "indicators": record.indicators.iter().map(|(k, n)| (k.clone(), json!({ "count": n }))).collect::<serde_json::Map<_, _>>(),
        "elapsed_ns": record.elapsed_ns,
        "events_per_s": record.events_per_s,
        "warnings": record.warnings,
        "assumptions": record.assumptions.iter().map(|a| &a.text).collect::<Vec<_>>(),
        "optimistic": record.assumptions.iter().filter(|a| a.optimistic).map(|a| &a.text).collect::<Vec<_>>(),
        "data": record.sources,
        "report": report.map(shown),
        "journal": record.journal,
    });
    if let Some(swarm) = &record.swarm {
        object["swarm"] = self::swarm(swarm);
    }
    object
}

/// A swarm without its agents' curves.
fn swarm(swarm: &SwarmRecord) -> Value {
    let agent = |agent: &AgentRecord| {
        json!({
            "id": agent.id,
            "role": agent.role,
            "strategy": agent.strategy,
            "votes": agent.votes,
            "agreed": agent.agreed,
            "dissented": agent.dissented,
            "abstained": agent.abstained,
            "vetoes": agent.vetoes,
            "hit_rate": agent.hit_rate,
            "weight": agent.weight,
            "equity_alone": agent.alone.last().map(|p| p.equity),
        })
    };
    let decided = swarm.decided();
    let mut object = json!({
        "agents": swarm.agents.iter().map(agent).collect::<Vec<_>>(),
        "topology": swarm.topology,
        "consensus": swarm.consensus,
        "threshold": swarm.threshold,
        "conferences": swarm.conferences,
        "decisions": decided,
        "outcomes": swarm.outcomes,
        "overruled": swarm.overruled,
        "latency_ns": swarm.latency_ns,
        "messages": swarm.messages,
        "bytes": swarm.bytes,
    });
    if let Some(processes) = &swarm.processes {
        object["processes"] = json!(processes);
    }
    object
}

/// A swarm in a few lines: what each agent said, and what it would have earned alone.
fn council(record: &RunRecord, swarm: &SwarmRecord) {
    let outcomes = swarm.outcomes.iter().map(|(name, n)| format!("{} {name}", grouped(*n)));
    say(format_args!(
        "  {} agents in a {} conferred {} times: {}",
        swarm.agents.len(),
        swarm.topology,
        grouped(swarm.conferences),
        outcomes.collect::<Vec<_>>().join(", "),
    ));
    let width = swarm.agents.iter().map(|agent| agent.id.chars().count()).max().unwrap_or(0);
    for agent in &swarm.agents {
        let hits = agent.hit_rate.map_or_else(|| "    -".to_owned(), |rate| format!("{:>4.1}%", rate * 100.0));
        let alone = agent.alone.last().filter(|_| agent.votes > 0);
        let alone = alone.map_or_else(String::new, |p| {
            format!("   alone {:>+8.1} %", (p.equity / record.initial_equity - 1.0) * 100.0)
        });
        say(format_args!(
            "    {:<width$}  {:>6} votes {:>6} dissents {:>5} vetoes   hits {hits}{alone}",
            agent.id,
            grouped(agent.votes),
            grouped(agent.dissented),
            grouped(agent.vetoes),
        ));
    }
    for benchmark in record.benchmarks.iter().skip(1) {
        if let (Some(from), Some(to)) = (benchmark.points.first(), benchmark.points.last()) {
            let total = (to.equity / from.equity - 1.0) * 100.0;
            say(format_args!("  {}: total return {total:.2} %", benchmark.name.to_lowercase()));
        }
    }
}

/// The run in a few lines.
pub(crate) fn summary(record: &RunRecord) {
    let benchmark =
        record.benchmarks.first().and_then(|b| Some((b, b.points.first()?.equity, b.points.last()?.equity)));
    say(format_args!("{}", record.name));
    say(format_args!(
        "  {} to {}   {} events in {:.3} s ({} a second)",
        &record.start.to_string()[..10],
        &record.end.to_string()[..10],
        grouped(record.events),
        record.elapsed_ns as f64 / 1e9,
        grouped(record.events_per_s as u64),
    ));
    say(format_args!(
        "  equity {:.2} -> {:.2} {}   {} orders, {} fills",
        record.initial_equity,
        record.final_equity(),
        record.currency,
        grouped(record.orders_total()),
        grouped(record.fills_total),
    ));
    let shown = |key: &str| {
        let about = STATISTICS.iter().find(|s| s.key == key)?;
        let value = record.statistic(key)?;
        Some(match about.unit {
            Unit::Percent => format!("{} {:.*} %", about.label.to_lowercase(), about.decimals, value * 100.0),
            _ => format!("{} {:.*}", about.label.to_lowercase(), about.decimals, value),
        })
    };
    let line = |keys: &[&str]| keys.iter().filter_map(|k| shown(k)).collect::<Vec<_>>().join(", ");
    say(format_args!("  {}", line(&["total_return", "cagr", "volatility", "sharpe", "max_drawdown"])));
    say(format_args!("  {}", line(&["hit_rate", "profit_factor", "trades", "turnover", "exposure"])));
    if let Some((benchmark, from, to)) = benchmark {
        say(format_args!("  {}: total return {:.2} %", benchmark.name.to_lowercase(), (to / from - 1.0) * 100.0));
    }
    if let Some(swarm) = &record.swarm {
        council(record, swarm);
    }
    if !record.strategies.is_empty() {
        let width = record.strategies.iter().map(|s| s.id.chars().count()).max().unwrap_or(0);
        for strategy in &record.strategies {
            say(format_args!(
                "  {:<width$}  {:>14.2} {}   {:>6} fills",
                strategy.id,
                strategy.final_pnl(),
                record.currency,
                strategy.fills,
            ));
        }
    }
    for assumption in record.assumptions.iter().filter(|a| a.optimistic) {
        say(format_args!("  optimistic: {}", assumption.text));
    }
    for warning in &record.warnings {
        say(format_args!("  warning: {warning}"));
    }
}

/// A number in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut text = digits[..head].to_owned();
    for (at, group) in digits.as_bytes()[head..].chunks(3).enumerate() {
        if at > 0 || head > 0 {
            text.push(',');
        }
        text.extend(group.iter().map(|b| char::from(*b)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a report of these charts leaves in a folder.
    fn leaves(folder: &Path, charts: &[&str]) -> Vec<String> {
        let text: String = charts.iter().map(|name| format!("![{name}](<bench-charts/{name}>)\n\n")).collect();
        let charts = charts.iter().map(|name| ((*name).to_owned(), format!("<svg>{name}</svg>"))).collect();
        written(&folder.join("bench.html"), "<html>", (text, charts), "bench-charts").unwrap();
        let entries = fs::read_dir(folder.join("bench-charts")).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_report_takes_the_charts_away_that_only_the_one_before_it_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(leaves(folder.path(), &["limits.svg", "course-0.svg"]), ["course-0.svg", "limits.svg"]);
        fs::write(folder.path().join("bench-charts/mine.svg"), "somebody's own").unwrap();
        fs::write(folder.path().join("bench-charts/notes.txt"), "somebody's own").unwrap();
        let left = leaves(folder.path(), &["limits.svg", "course-1.svg"]);
        assert_eq!(left, ["course-1.svg", "limits.svg", "mine.svg", "notes.txt"]);
        // One that is gone already is no fault.
        fs::remove_file(folder.path().join("bench-charts/course-1.svg")).unwrap();
        assert_eq!(leaves(folder.path(), &["limits.svg"]), ["limits.svg", "mine.svg", "notes.txt"]);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
    }
}
