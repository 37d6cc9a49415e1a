//! How quick agents' processes start and are replaced: `cargo run --release -p starling-connect --example process_speed`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement tells what it found, or fails")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};
    use starling_connect::provider::local::inside::{Inside, Told};
    use starling_connect::provider::local::{Processes, Settings};
    use starling_connect::provider::{Event, Provider, Spec};
    use starling_swarm::cost::{Budget, Ledger, PriceTable};
    use starling_swarm::id::AgentId;

    const PATIENCE: Duration = Duration::from_secs(30);

    pub(super) fn main() {
        if std::env::args().nth(1).is_some() {
            return agent();
        }
        let folder = std::env::temp_dir().join("starling-process-speed");
        let open = |spares| {
            let settings = Settings { spares, ..Settings::new(&folder, ["agent"]).unwrap() };
            let provider = Processes::open(settings, Ledger::new(PriceTable::local(), Budget::default())).unwrap();
            assert!(provider.wait_spares(spares, PATIENCE));
            provider
        };
        for (name, spares) in [("cold", 0), ("warm", 2)] {
            let mut provider = open(spares);
            let mut times: Vec<f64> = (1..=30).map(|agent| start(&mut provider, spares, agent)).collect();
            times.sort_by(f64::total_cmp);
            println!("{name}: median {:.2} ms, slowest {:.2} ms of {}", times[15], times[29], times.len());
        }
        for (count, spares) in [(10, 0), (20, 0), (10, 10), (20, 20)] {
            let mut provider = open(spares);
            let begun = Instant::now();
            (1..=count).for_each(|agent| provider.spawn(spec(agent)).unwrap());
            (1..=count).for_each(|agent| _ = provider.wait_ready(AgentId(agent), PATIENCE).unwrap());
            let ready = begun.elapsed().as_secs_f64() * 1e3;
            let measured: Vec<_> = (1..=count).map(|agent| provider.measure(AgentId(agent)).unwrap()).collect();
            let memory = measured.iter().map(|m| m.memory).sum::<u64>() / u64::from(count);
            let begun = Instant::now();
            drop(provider);
            let ended = begun.elapsed().as_secs_f64() * 1e3;
            println!(
                "{count} agents, {spares} spares: ready after {ready:.1} ms, {:.1} MiB each, all gone after {ended:.1} ms",
                memory as f64 / f64::from(1 << 20)
            );
        }
        for spares in [0, 2] {
            let mut provider = open(spares);
            provider.spawn(spec(1)).unwrap();
            let mut at = AgentId(1);
            let (mut noticed, mut replaced) = (Vec::new(), Vec::new());
            for _ in 0..5 {
                let status = provider.wait_ready(at, PATIENCE).unwrap();
                assert!(provider.wait_spares(spares, PATIENCE));
                let killed = Instant::now();
                let pid = Pid::from_raw(status.process.unwrap().cast_signed()).unwrap();
                kill_process(pid, Signal::KILL).unwrap();
                loop {
                    match provider.next_event(PATIENCE).unwrap() {
                        Event::Ended { agent, .. } if agent == at => noticed.push(killed.elapsed().as_secs_f64() * 1e3),
                        Event::Replaced { old, new, .. } if old == at => {
                            replaced.push(killed.elapsed().as_secs_f64() * 1e3);
                            at = new;
                            break;
                        }
                        _ => {}
                    }
                }
            }
            println!("kill -9 with {spares} spares: noticed after {noticed:.2?} ms, replaced after {replaced:.2?} ms");
        }
        std::fs::remove_dir(&folder).unwrap();
    }

    fn start(provider: &mut Processes, spares: usize, agent: u32) -> f64 {
        provider.spawn(spec(agent)).unwrap();
        let status = provider.wait_ready(AgentId(agent), PATIENCE).unwrap();
        assert_eq!(status.warm, spares > 0);
        assert!(provider.wait_spares(spares, PATIENCE));
        status.took_ns.unwrap() as f64 / 1e6
    }

    fn spec(agent: u32) -> Spec {
        Spec { agent: AgentId(agent), role: b"wait".to_vec(), replace: true, standby: false }
    }

    fn agent() {
        let inside = Inside::enter().unwrap();
        inside.ready(inside.assignment().agent);
        while !matches!(inside.next(PATIENCE), Some(Told::Stop)) {}
    }
}
