//! A swarm over real bars: its agents are the engine's strategies, its decisions do not depend on who carries the
//! messages, and a run that has them in its journal needs no swarm.

#![expect(clippy::unwrap_used, reason = "a failing test")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use starling_core::event::Decision;
use starling_core::journal::{Kind, Reader};
use starling_core::{Event, Side, UnixNanos};
use starling_lab::config::Config;
use starling_lab::run::{Run, RunEngine, replay};
use starling_lab::swarm::conference::Conference as _;
use starling_lab::swarm::delegate::Charter;
use starling_lab::swarm::hall::Hall;
use starling_market::feed::{Feed, Merge};

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../starling/demo")
}

/// The demo, over the years up to 2004 unless the whole is needed: three instruments and a bubble.
fn text(values: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(demo().join("demo.toml")).unwrap();
    let values: Vec<_> = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::with_values(&text, &values).unwrap()
}

fn short(values: &[(&str, &str)]) -> String {
    let ends: Vec<String> = (0..5).map(|at| format!("data.{at}.to")).collect();
    let ends = ends.iter().map(|key| (key.as_str(), "'2004-01-01'"));
    text(&ends.chain(values.iter().copied()).collect::<Vec<_>>())
}

fn decisions(journal: &[u8]) -> Vec<Decision> {
    let records = Reader::new(journal).unwrap().map(Result::unwrap);
    let kept = records.filter(|record| record.kind == Kind::Decision);
    kept.map(|record| postcard::from_bytes(record.payload).unwrap()).collect()
}

fn run(text: String) -> (starling_lab::tearsheet::RunRecord, Vec<u8>) {
    let run = Run::new(text, vec![demo()]).unwrap();
    let outcome = run.execute_with(Vec::new(), |_, _| ControlFlow::Continue(())).unwrap();
    (outcome.record, outcome.journal)
}

/// The engine of the short demo, and all its market data.
fn assembled() -> (RunEngine<std::io::Sink>, Vec<Event>) {
    let (engine, mut feeds) = Run::new(short(&[]), vec![demo()]).unwrap().assemble(std::io::sink()).unwrap();
    let mut merge = Merge::new(feeds.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>).collect());
    let mut events = Vec::new();
    while let Some(run) = merge.next_run().unwrap() {
        events.extend_from_slice(run);
    }
    (engine, events)
}

#[test]
fn an_agent_earns_what_its_strategies_earn_in_a_backtest() {
    let (record, _) = run(short(&[]));
    let swarm = record.swarm.unwrap();
    let config = Config::read(&short(&[])).unwrap();
    for (agent, told) in config.swarm.as_ref().unwrap().agents.iter().zip(&swarm.agents) {
        // The same strategies as a run of their own, in which no swarm occurs.
        let mut values: Vec<toml::Value> = Vec::new();
        for entry in agent.strategies().unwrap() {
            let mut table = toml::Table::try_from(&entry.config).unwrap();
            table.insert("id".into(), entry.id.into());
            values.push(table.into());
        }
        let mut alone: toml::Table = short(&[]).parse().unwrap();
        alone.remove("swarm");
        alone.insert("strategies".into(), values.into());
        let (alone, _) = run(toml::to_string(&alone).unwrap());
        assert_eq!(told.alone, alone.equity, "{}", agent.id);
        assert!(agent.id == "risk" || alone.fills_total > 10, "{} trades: {}", agent.id, alone.fills_total);
    }
}

#[test]
fn a_replay_takes_the_decisions_from_the_journal() {
    let (record, journal) = run(short(&[]));
    let said = decisions(&journal);
    assert_eq!(said.len() as u64, record.swarm.as_ref().unwrap().decided());
    assert!(said.len() > 100 && record.fills_total > 20, "{} decisions, {} fills", said.len(), record.fills_total);
    for pair in said.windows(2) {
        assert!(pair[0].ts_recv <= pair[1].ts_recv && pair[0].id < pair[1].id);
    }
    assert!(said.iter().all(|d| d.ts_recv > d.ts_event && d.ts_recv.get() - d.ts_event.get() < 10_000_000));
    let again = replay(&journal, vec![demo()], |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(again.outcome.record.run_hash, record.run_hash);
    assert_eq!(again.outcome.record.swarm, None, "no hall was opened");
    // Without its decisions, the same configuration trades nothing: they are what trades.
    let (mut engine, events) = assembled();
    engine.start().unwrap();
    events.iter().for_each(|event| engine.on_event(event).unwrap());
    assert!(engine.counts().events > 2_000);
    assert_eq!(engine.counts().orders, 0);
}

#[test]
fn a_decision_that_was_changed_is_found() {
    let (_, journal) = run(short(&[]));
    let place = decisions(&journal)[0].evidence;
    let at = journal.windows(16).position(|window| window == place).unwrap();
    let mut changed = journal;
    changed[at] ^= 1;
    assert!(replay(&changed, vec![demo()], |_, _| ControlFlow::Continue(())).is_err());
}

#[test]
fn who_carries_the_messages_changes_no_decision() {
    let told = |topology: &str| {
        let (record, journal) = run(short(&[("swarm.topology", topology)]));
        let said: Vec<_> =
            decisions(&journal).iter().map(|d| (d.ts_event, d.instrument, d.side, d.confidence_bps)).collect();
        (said, record.swarm.unwrap())
    };
    let (mesh, of_mesh) = told("mesh");
    for topology in ["hierarchical", "ring", "star"] {
        let (said, swarm) = told(topology);
        let sorted = |said: &[(UnixNanos, starling_core::InstrumentId, Option<Side>, u16)]| {
            let mut said = said.to_vec();
            said.sort_by_key(|(ts, instrument, ..)| (*ts, *instrument));
            said
        };
        assert_eq!(sorted(&said), sorted(&mesh), "{topology}");
        // The coordinator is the hub of the star: there every way that is gone is one edge long, as in the mesh.
        let longer = swarm.latency_ns[0] > of_mesh.latency_ns[0];
        assert_eq!(longer, topology != "star", "{topology} has longer ways than a mesh");
    }
}

#[test]
fn every_rule_of_consensus_confers_to_an_end() {
    for consensus in ["majority", "quorum", "byzantine", "unanimous", "leader"] {
        let (record, journal) = run(short(&[("swarm.consensus", consensus)]));
        let swarm = record.swarm.unwrap();
        assert_eq!(swarm.outcomes.values().sum::<u64>(), swarm.conferences, "{consensus}");
        assert_eq!(decisions(&journal).len() as u64, swarm.decided(), "{consensus}");
        assert!(swarm.conferences > 100, "{consensus}: {}", swarm.conferences);
    }
}

#[test]
fn a_risk_manager_stops_what_the_others_want() {
    // From the first month on, whatever the market does.
    let always =
        [("swarm.agents.7.strategy.enter_long", "close > 0"), ("swarm.agents.7.strategy.exit_long", "close < 0")];
    let (record, journal) = run(short(&always));
    let swarm = record.swarm.unwrap();
    assert_eq!((decisions(&journal).len(), record.fills_total), (0, 0), "{:?}", swarm.outcomes);
    assert_eq!(swarm.agents[7].vetoes, swarm.conferences);
    assert_eq!(swarm.outcomes.get("vetoed"), Some(&swarm.conferences));
}

#[test]
fn conferring_at_every_bar_asks_more_often() {
    let (seldom, _) = run(short(&[]));
    let (often, _) = run(short(&[("swarm.confer", "every_bar")]));
    let [seldom, often] = [seldom, often].map(|record| record.swarm.unwrap().conferences);
    // 964 trading days from March 2000 to the end of 2003, three stocks (awk over the file counts them).
    assert_eq!(often, 3 * 964);
    assert!(seldom * 2 < often, "{seldom} of {often}");
}

#[test]
fn a_swarm_that_cannot_be_is_refused_with_every_fault() {
    let refused = |values: &[(&str, &str)]| Config::read(&text(values)).unwrap_err().to_string();
    let error = refused(&[("swarm.follower", "nobody"), ("swarm.threshold", "0.5")]);
    assert!(error.contains("`nobody` follows no decisions; of kind `follow` are: swarm"), "{error}");
    assert!(error.contains("must be above 0.5 and at most 1"), "{error}");
    let error = refused(&[("swarm.agents.1.id", "momentum"), ("swarm.agents.0.instruments", "['X.US']")]);
    assert!(error.contains("`momentum` is there twice"), "{error}");
    assert!(error.contains("there is no instrument `X.US`"), "{error}");
    let error = refused(&[("swarm.agents.0.strategy.lookback", "0")]);
    assert!(error.contains("swarm.agents[0].strategy.lookback") && error.contains("is 0, but must be"), "{error}");
    let error = refused(&[("swarm.agents.0.strategy.colour", "'red'")]);
    assert!(
        error.contains("swarm.agents[0].strategy.colour") && error.contains("there is no field `colour`"),
        "{error}"
    );
    let error = refused(&[("swarm.agents.0.role", "'dictator'")]);
    assert!(error.contains("there is no choice `dictator`"), "{error}");
}

/// Of 1,024 decisions that may be open, each of eight agents may begin 128 where some may lie.
#[test]
fn more_instruments_than_can_be_decided_about_at_once_are_refused() {
    let names: Vec<String> = (0..129).map(|number| format!("'X{number:03}.US'")).collect();
    let instruments: String = names
        .iter()
        .map(|name| format!("[[instruments]]\nid = {name}\ntemplate = \"equity\"\nquote = \"USD\"\n"))
        .collect();
    let read = |consensus: &str, count: usize| {
        let list = format!("[{}]", names[..count].join(", "));
        let values: Vec<(String, String)> =
            (0..8).map(|agent| (format!("swarm.agents.{agent}.instruments"), list.clone())).collect();
        let mut values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        values.push(("swarm.consensus", consensus));
        Config::read(&(text(&values) + &instruments)).map(|_| ()).map_err(|error| error.to_string())
    };
    // The allocation names three more.
    for (consensus, count) in [("weighted", 129), ("byzantine", 125)] {
        let refused = read(consensus, count).err().filter(|error| error.contains("at once"));
        assert_eq!(refused, None);
    }
    let refused = read("byzantine", 126).unwrap_err();
    assert!(refused.contains("decide about 129 instruments") && refused.contains("128 decisions open"), "{refused}");
}

#[test]
fn certificates_convince_who_was_not_there() {
    let config = Config::read(&short(&[])).unwrap();
    let charter = Charter::in_process(&config).unwrap();
    let mut hall = Hall::open(&charter).unwrap();
    let (_, events) = assembled();
    let mut checked = 0;
    for stamp in events.chunk_by(|a, b| a.ts() == b.ts()).take(300) {
        for verdict in hall.on_stamp(stamp[0].ts(), stamp).unwrap() {
            // Councils are kept as long as their bars; under older ones a certificate says nothing.
            let council = hall.delegates()[3].node().component().council(verdict.certificate.subject).unwrap();
            verdict.certificate.verify(&charter.keys, council).unwrap();
            let mut forged = (*verdict.certificate).clone();
            forged.dossier.ballots.pop();
            assert!(forged.verify(&charter.keys, council).is_err(), "a ballot was taken away");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}
