mod bench;
mod specimen;

use specimen::{four_days, nothing, thirteen_years};
use starling_lab::tearsheet::{RunRecord, monthly_returns};

use super::*;

/// Every section, in the order a reader meets them.
const SECTIONS: [&str; 14] = [
    "Key figures",
    "Equity",
    "Drawdown",
    "Monthly returns",
    "Exposure",
    "Strategies",
    "Trades",
    "Costs",
    "Accounts",
    "Orders and risk denials",
    "Assumptions and warnings",
    "Data and reproducibility",
    "Speed",
    "Conventions",
];

/// Writes reports to look at: `cargo test -p starling write_specimens -- --ignored`, then see `target/specimens`.
#[test]
#[ignore = "writes files for a person to look at"]
fn write_specimens() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/specimens");
    for (name, run) in [("large", thirteen_years()), ("small", four_days()), ("nothing", nothing())] {
        let folder = folder.join(name);
        std::fs::create_dir_all(folder.join("charts")).unwrap();
        std::fs::write(folder.join("report.json"), run.to_json().unwrap()).unwrap();
        std::fs::write(folder.join("report.html"), html(&run)).unwrap();
        let (text, files) = markdown(&run, "charts");
        std::fs::write(folder.join("report.md"), text).unwrap();
        for (file, svg) in files {
            std::fs::write(folder.join("charts").join(file), svg).unwrap();
        }
    }
}

#[test]
fn the_markdown_of_a_small_run() {
    let (text, files) = markdown(&four_days(), "charts");
    insta::assert_snapshot!(text);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in names {
        assert!(text.contains(&format!("(<charts/{name}>)")), "{name} is not shown");
    }
    assert_eq!(text.matches("![").count(), files.len());
}

/// The cells of the rows of a Markdown table whose first cell is `first`.
fn cells<'a>(text: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    cells.filter(|row| row[0] == first).collect()
}

/// The number of a cell, read back.
fn read(cell: &str) -> f64 {
    let digits: String = cell.chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
    let number: f64 = digits.parse().unwrap_or_else(|_| panic!("{cell:?} holds no number"));
    if cell.contains('%') { number / 100.0 } else { number }
}

#[test]
fn every_number_of_the_markdown_is_that_of_the_record() {
    let run = thirteen_years();
    let (text, _) = markdown(&run, "");
    for known in starling_lab::tearsheet::STATISTICS {
        let row = &cells(&text, known.label).into_iter().rfind(|row| row.len() == 2).expect(known.key);
        match run.statistics[known.key] {
            None => assert_eq!(row[1], "n/a", "{}", known.key),
            Some(value) => {
                let close =
                    0.51 * 10f64.powi(-(known.decimals as i32)) / if row[1].contains('%') { 100.0 } else { 1.0 };
                assert!((read(row[1]) - value).abs() < close, "{}: {} against {value}", known.key, row[1]);
            }
        }
    }
    let months = monthly_returns(run.initial_equity, &run.equity);
    assert_eq!(months.years.len(), 13);
    for year in &months.years {
        let row = &cells(&text, &year.year.to_string())[0];
        for (cell, month) in row[1..13].iter().zip(year.months) {
            assert!((read(cell) - month.unwrap()).abs() < 0.000_051);
        }
        assert!((read(row[13]) - year.total.unwrap()).abs() < 0.000_051);
    }
    for strategy in &run.strategies {
        let row = &cells(&text, &strategy.id)[0];
        assert_eq!((read(row[3]), read(row[4])), (strategy.orders as f64, strategy.fills as f64));
        assert!((read(row[5]) - strategy.fees).abs() < 0.0051 && (read(row[6]) - strategy.final_pnl()).abs() < 0.0051);
    }
    for (key, n) in run.orders.iter().chain(&run.denials) {
        assert_eq!(read(cells(&text, &key.replace('_', "\\_"))[0][1]), *n as f64);
    }
    assert_eq!(cells(&text, "SIM")[0][2], run.balances["SIM"]["USD"]);
    assert!(text.contains(&format!("The first 20 of {} fills.", number::count(run.fills_total))));
    assert!(text.contains("812 ns at 1,000 orders, 774 ns at 10,000 orders, 790 ns at 45,000 orders"));
    assert!(text.contains("    starling replay out/trend.journal --verify\n"));
}

#[test]
fn the_verdict_is_computed_from_the_record() {
    let verdict = |run: &RunRecord| compose::document(run).verdict;
    let mut run = four_days();
    // 39.78 of 1,000; the benchmark from 1,000 to 1,200; 1,019.9 to 997.9.
    run.statistics.clear();
    // Costs of 4 are 9.1 % of a profit before costs of 43.78.
    run.costs.commission = Some(4.0);
    let full = "+4.0 % against +20.0 % for buy and hold, max drawdown -2.2 %, 1 trade, costs 9.1 % of gross profit";
    assert_eq!(verdict(&run), full);
    run.equity[3].equity = 900.0;
    run.benchmarks.clear();
    assert_eq!(verdict(&run), "-10.0 %, max drawdown -11.8 %, 1 trade, costs 4.00 USD");
    assert_eq!(verdict(&nothing()), "0.0 %, max drawdown 0.0 %, 0 trades, no costs modelled");
}

#[test]
fn both_reports_have_every_section_in_order() {
    for run in [thirteen_years(), four_days(), nothing()] {
        let (page, (text, _)) = (html(&run), markdown(&run, ""));
        let (mut page, mut text) = (page.as_str(), text.as_str());
        for section in SECTIONS {
            page = page.split_once(&format!("<h2>{section}</h2>")).expect(section).1;
            text = text.split_once(&format!("\n## {section}\n")).expect(section).1;
        }
    }
}

#[test]
fn the_page_loads_nothing_and_stays_small() {
    let page = html(&thirteen_years());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for loader in ["http://", "https://", "src=", "url(", "@import", "<link rel=\"stylesheet", "fetch(", "//cdn"] {
        assert!(!page.contains(loader), "{loader}");
    }
    assert!(page.contains("default-src 'none'"));
    // The one name that looks like an address is the namespace that an SVG file must state.
    for (name, svg) in markdown(&thirteen_years(), "").1 {
        assert_eq!(svg.matches("http").count(), 1, "{name}");
        assert!(svg.starts_with(r#"<svg xmlns="http://www.w3.org/2000/svg""#), "{name}");
    }
}

#[test]
fn no_text_of_the_record_becomes_markup() {
    let evil = "<script>alert('1')</script>\"`|</style>";
    let mut run = four_days();
    let text = |slot: &mut String| evil.clone_into(slot);
    for slot in
        [&mut run.name, &mut run.created, &mut run.commit, &mut run.machine, &mut run.run_hash, &mut run.currency]
    {
        text(slot);
    }
    run.journal = Some(evil.into());
    text(&mut run.instruments[0].symbol);
    text(&mut run.instruments[0].venue);
    text(&mut run.instruments[0].currency);
    text(&mut run.strategies[0].id);
    text(&mut run.strategies[0].kind);
    run.strategies[0].parameters = vec![(evil.into(), evil.into())];
    text(&mut run.benchmarks[0].name);
    text(&mut run.benchmarks[0].description);
    text(&mut run.sources[0].path);
    text(&mut run.sources[0].blake3);
    run.sources[0].dropped.insert(evil.into(), 1);
    text(&mut run.fills[0].fee_currency);
    text(&mut run.assumptions[0].text);
    run.warnings.push(evil.into());
    run.denials.insert(evil.into(), 1);
    run.orders.insert(evil.into(), 1);
    run.indicators.insert(evil.into(), 1);
    run.statistics.insert(evil.into(), Some(1.0));
    run.balances.insert(evil.into(), [(evil.into(), "1".into())].into());
    let page = html(&run);
    assert!(!page.contains("<script>alert"));
    assert_eq!(page.matches("<script").count(), 2, "the chart data and the script");
    assert_eq!(page.matches("</style>").count(), 1);
    let (text, files) = markdown(&run, "");
    // An indented block is the one place where Markdown takes every sign as it is.
    assert!(text.lines().filter(|line| !line.starts_with("    ")).all(|line| !line.contains("<script")));
    let plain = markdown(&four_days(), "").0;
    let widths = |text: &str| -> std::collections::BTreeSet<usize> {
        text.lines().filter(|l| l.starts_with('|')).map(|l| l.replace("\\|", "").matches('|').count()).collect()
    };
    assert_eq!(widths(&text), widths(&plain), "no cell opens another");
    assert!(files.iter().all(|(_, svg)| !svg.contains("<script")));
}

#[test]
fn a_run_that_did_nothing_is_told_in_words() {
    for run in [nothing(), RunRecord { equity: Vec::new(), ..nothing() }] {
        let page = html(&run);
        let points = number::counted(run.equity.len() as u64, "equity point");
        for words in [
            &format!("The record holds {points}; a curve needs two."),
            "No order was filled.",
            "No position went from flat to flat.",
            "Risk denied no order.",
            "No journal was kept",
            "The record names no strategy.",
            "The record holds no instrument.",
            "commission: not measured in this run",
        ] {
            assert!(page.contains(words), "{words}");
        }
        for broken in ["NaN", "inf\"", "<svg", "null"] {
            assert!(!page[..page.find("<script").unwrap()].contains(broken), "{broken}");
        }
        let (text, files) = markdown(&run, "");
        assert!(!text.contains("NaN") && files.len() <= 1, "{text}");
    }
}

#[test]
fn charts_hold_finite_coordinates_even_for_flat_and_ruined_runs() {
    let mut flat = four_days();
    flat.equity.iter_mut().for_each(|p| p.equity = 1_000.0);
    flat.instruments[0].prices.iter_mut().for_each(|p| (p.open, p.high, p.low, p.close) = (0.0, 0.0, 0.0, 0.0));
    let mut ruined = four_days();
    ruined.equity.iter_mut().for_each(|p| p.equity = -50.0);
    let mut unmeasured = four_days();
    unmeasured.benchmarks[0].points.clear();
    unmeasured.strategies[0].pnl.clear();
    unmeasured.fills.clear();
    let mut noisy = four_days();
    noisy.equity.iter_mut().enumerate().for_each(|(i, p)| p.equity = 1_000.0 + i as f64 * 1e-12);
    for run in [flat, ruined, unmeasured, noisy] {
        for (name, svg) in markdown(&run, "").1 {
            assert!(!svg.contains("NaN") && !svg.contains("inf "), "{name}: {svg}");
        }
        assert!(!html(&run).contains("NaN H"));
    }
}

/// What a run opens with may be worth nothing that can be told, and then no day of it is.
#[test]
fn a_swarm_without_equity_is_told_in_words() {
    let agent = serde_json::json!({ "id": "momentum", "role": "momentum", "strategy": "momentum", "votes": 3, "agreed": 2,
        "dissented": 1, "abstained": 0, "vetoes": 0, "judged": 0, "hit_rate": null, "weight": 1.0, "alone": [] });
    let swarm = serde_json::json!({ "topology": "mesh", "consensus": "weighted", "threshold": 0.55, "follower": "swarm",
        "agents": [agent], "conferences": 1, "outcomes": {}, "overruled": 0, "latency_ns": [1, 2, 3], "messages": 4,
        "bytes": 5 });
    let run = RunRecord { swarm: Some(serde_json::from_value(swarm).unwrap()), equity: Vec::new(), ..nothing() };
    let (text, files) = markdown(&run, "");
    assert!(text.contains("## The swarm") && !files.iter().any(|(name, _)| name == "swarm.svg"), "{text}");
    assert_eq!(text.matches("The record holds 0 equity points; a curve needs two.").count(), 4, "{text}");
    assert!(html(&run).contains("The swarm"));
}

/// Programs that know no variables of a style sheet, or no style sheet, draw what elements say themselves: of every element
/// that the sheet colours, the colours of the light theme.
#[test]
fn charts_say_their_colours_without_a_style_sheet() {
    let (_, files) = markdown(&thirteen_years(), "");
    assert!(files.len() > 5);
    for (name, svg) in &files {
        let (_, drawing) = svg.split_once("</style>").unwrap();
        let mut inks = 0;
        for element in drawing.split('<').filter(|element| element.contains(" class=\"")) {
            let class = element.split_once(" class=\"").unwrap().1.split('"').next().unwrap();
            let says = |attribute: &str| element.matches(&format!(" {attribute}=\"")).count();
            let wanted = match class.split(' ').next_back().unwrap() {
                "line" | "area" | "mark" | "grid" | "zero" | "axis" | "bound" | "reach" | "core" => {
                    &["stroke", "fill"][..]
                }
                "band" | "bar" | "ground" | "hit" | "sample" | "tick" | "end" => &["fill"],
                class if class.starts_with('c') && class.len() == 2 => &["color"],
                _ => &[],
            };
            assert!(wanted.iter().all(|attribute| says(attribute) == 1), "{name}: {element}");
            assert!(!element.contains("var("), "{name}: {element}");
            inks += wanted.len();
        }
        assert!(inks > 5, "{name}");
        assert!(
            svg.starts_with("<svg xmlns") && svg.split_once("viewBox").unwrap().0.contains(" fill=\"#1a2129\""),
            "{name}"
        );
    }
    let page = html(&thirteen_years());
    assert!(!page.contains(" fill=\"#"), "a page has one style sheet, which every browser knows");
}
