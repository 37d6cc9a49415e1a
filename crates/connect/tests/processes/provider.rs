//! Starting, confining, replacing and ending processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use starling_connect::provider::local::{Network, Processes, Settings};
use starling_connect::provider::{Event, Exit, How, Layers, Phase, Provider, ProviderError, Spec};
use starling_core::UnixNanos;
use starling_swarm::cost::{Budget, Ledger, MicroDollars, PriceTable, Resources};
use starling_swarm::id::AgentId;

use crate::Test;

pub(crate) const TESTS: [Test; 18] = [
    ("an_agent_is_confined_in_every_layer", an_agent_is_confined_in_every_layer),
    ("a_filter_that_is_not_ours_is_not_claimed", a_filter_that_is_not_ours_is_not_claimed),
    ("who_never_pauses_is_ended_and_others_are_heard", who_never_pauses_is_ended_and_others_are_heard),
    ("nobody_talks_himself_out_of_his_end", nobody_talks_himself_out_of_his_end),
    ("words_go_there_and_back", words_go_there_and_back),
    ("a_warm_start_is_quick_and_the_pool_fills_again", a_warm_start_is_quick_and_the_pool_fills_again),
    ("a_killed_agent_is_replaced_and_its_folder_passed_on", a_killed_agent_is_replaced_and_its_folder_passed_on),
    ("who_stands_by_takes_over", who_stands_by_takes_over),
    ("a_restart_is_soft_or_hard_and_grace_ends", a_restart_is_soft_or_hard_and_grace_ends),
    ("who_dies_again_and_again_is_given_up", who_dies_again_and_again_is_given_up),
    ("who_cannot_be_started_is_tried_again", who_cannot_be_started_is_tried_again),
    ("who_cannot_stand_by_is_not_tried_for_ever", who_cannot_stand_by_is_not_tried_for_ever),
    ("who_is_done_is_not_replaced", who_is_done_is_not_replaced),
    ("memory_has_an_end", memory_has_an_end),
    ("a_spent_budget_ends_all", a_spent_budget_ends_all),
    ("what_cannot_be_is_refused", what_cannot_be_is_refused),
    ("nothing_is_left_after_a_drop", nothing_is_left_after_a_drop),
    ("nothing_is_left_after_the_provider_is_killed", nothing_is_left_after_the_provider_is_killed),
];

/// Long, since this machine does other things, too.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn settings(folder: &Path) -> Settings {
    Settings { spares: 0, patience: PATIENCE, ..Settings::new(folder, ["agent"]).unwrap() }
}

pub(crate) fn ledger() -> Ledger {
    Ledger::new(PriceTable::local(), Budget::default())
}

pub(crate) fn spec(agent: u32, role: &str) -> Spec {
    Spec { agent: AgentId(agent), role: role.into(), replace: false, standby: false }
}

/// The first event that `pick` takes.
pub(crate) fn event<T>(provider: &mut Processes, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    while Instant::now() < end {
        let Some(event) = provider.next_event(Duration::from_millis(100)) else { continue };
        if let Some(picked) = pick(&event) {
            return picked;
        }
        seen.push(event);
    }
    panic!("it never came to pass, but {seen:?}");
}

fn said(provider: &mut Processes) -> String {
    event(provider, |event| match event {
        Event::Said { words, .. } => Some(String::from_utf8(words.clone()).unwrap()),
        _ => None,
    })
}

fn is_alive(pid: u32) -> bool {
    // A zombie is nothing that lives; whether it is one for ever, the tests of clean-up say.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

fn within(most: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < most, "not within {most:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.elapsed()
}

fn an_agent_is_confined_in_every_layer() {
    let ports = Network::Ports { listen: Vec::new(), connect: vec![1] };
    is_confined(ports, &[]);
    is_confined(Network::Closed, &[]);
    let sends = ["connect by sending", "connect by a message"];
    let opens = ["listen by TCP", "connect by TCP", "open multipath TCP", "open UDP"];
    is_confined(Network::Open, &[&sends[..], &opens].concat());
}

/// Whether an agent can do what it is to, what `more` names, and nothing else.
fn is_confined(network: Network, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let named = tempfile::tempdir().unwrap();
    let name = named.path().join("socket");
    let (_named, listener) = (UnixListener::bind(&name).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let role = format!("probe {} {}", name.display(), listener.local_addr().unwrap().port());
    let mut provider =
        Processes::open(Settings { network, strict: true, ..settings(folder.path()) }, ledger()).unwrap();
    provider.spawn(spec(1, &role)).unwrap();
    let status = provider.wait_ready(AgentId(1), PATIENCE).unwrap();
    let layers = status.layers.unwrap();
    assert!(layers.is_full() && layers.landlock >= Some(1), "{layers:?}");
    assert!(!Layers { landlock: None, ..layers }.is_full());

    let said = said(&mut provider);
    let allowed = ["read own folder", "write own folder", "start a thread", "pair sockets"];
    // These need Landlock of ABI 4 and 6.
    let newer = [("listen by TCP", 4), ("connect by TCP", 4), ("signal its parent", 6)];
    let abi = layers.landlock.unwrap();
    for answer in said.split("; ") {
        let (what, worked) = answer.split_once('=').unwrap();
        let too_new = newer.iter().any(|(name, since)| *name == what && abi < *since);
        let expected = allowed.contains(&what) || more.contains(&what);
        assert!(too_new || (worked == "yes") == expected, "{answer} of {said}");
    }
    assert_eq!(said.split("; ").count(), 33);

    // The system says the same of it from outside.
    let pid = status.process.unwrap();
    let seen = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = seen.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    };
    assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3), Some(pid.to_string().as_str()), "{stat}");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["256", "256"]);
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/environ")).unwrap(), "", "nothing of the caller's");
}

/// Opens a provider that demands every layer, where a filter of somebody else answers whoever asks for another; tells
/// what becomes of its agent.
pub(crate) fn open_unfiltered(folder: &str, errno: u32) {
    let calls = BTreeMap::from([(libc::SYS_seccomp, Vec::new())]);
    let (other, asked) = (SeccompAction::Allow, SeccompAction::Errno(errno));
    let filter = SeccompFilter::new(calls, other, asked, std::env::consts::ARCH.try_into().unwrap()).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
    let settings = Settings { strict: true, ..settings(Path::new(folder)) };
    let mut provider = Processes::open(settings, ledger()).unwrap();
    provider.spawn(spec(1, "echo")).unwrap();
    let came = event(&mut provider, |event| match event {
        Event::SpareLost { why } => Some(why.clone()),
        Event::Ready { .. } => Some("it is ready".into()),
        _ => None,
    });
    println!("{came}");
}

fn a_filter_that_is_not_ours_is_not_claimed() {
    // It says that it forbids filters, or only that there is one.
    for errno in [libc::EPERM, 0] {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        let told = program.arg("unfiltered").arg(folder.path()).arg(errno.to_string()).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(told.starts_with("its sandbox is not full") && told.contains("seccomp: 0"), "{errno}: {told}");
    }
}

/// Agents that say what none should, but for those whose role is `echo`.
fn rude(folder: &Path, how: &str) -> Settings {
    Settings { arguments: ["rude agent", how].map(OsString::from).to_vec(), ..settings(folder) }
}

fn who_never_pauses_is_ended_and_others_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(rude(folder.path(), "flood"), ledger()).unwrap();
    provider.spawn(spec(2, "echo")).unwrap();
    provider.wait_ready(AgentId(2), PATIENCE).unwrap();
    provider.spawn(spec(1, "flood")).unwrap();
    let why = event(&mut provider, |event| match event {
        Event::SpareLost { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("4294967295 bytes"), "{why}");
    let exit = event(&mut provider, |event| match event {
        Event::Ended { agent: AgentId(1), exit, asked: false, .. } => Some(*exit),
        _ => None,
    });
    assert_eq!(exit, Exit::Signal(9));
    provider.say(AgentId(2), b"still there?").unwrap();
    let mut seen = Vec::new();
    event(&mut provider, |event| {
        seen.push(event.clone());
        matches!(event, Event::Said { agent: AgentId(2), .. }).then_some(())
    });
    assert_eq!(seen.len(), 1, "that it was refused is told once: {seen:?}");
}

fn nobody_talks_himself_out_of_his_end() {
    for how in ["sealed again", "late"] {
        let folder = tempfile::tempdir().unwrap();
        let grace = Duration::from_millis(100);
        let mut provider = Processes::open(Settings { grace, ..rude(folder.path(), how) }, ledger()).unwrap();
        provider.spawn(spec(1, "")).unwrap();
        if how == "sealed again" {
            provider.wait_ready(AgentId(1), PATIENCE).unwrap();
        }
        let (done, is_done) = channel();
        std::thread::spawn(move || {
            drop(provider);
            done.send(()).unwrap();
        });
        is_done.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{how}: {error}"));
    }
}

fn words_go_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(settings(folder.path()), ledger()).unwrap();
    provider.spawn(spec(1, "echo")).unwrap();
    provider.wait_ready(AgentId(1), PATIENCE).unwrap();
    for size in [0, 1, 70_000, 1 << 20] {
        let words = vec![7; size];
        provider.say(AgentId(1), &words).unwrap();
        let back = event(&mut provider, |event| match event {
            Event::Said { agent: AgentId(1), words } => Some(words.clone()),
            _ => None,
        });
        assert!(back == words, "{size} bytes");
    }
    let measured = provider.measure(AgentId(1)).unwrap();
    assert!(measured.bytes_in > (1 << 20) + 70_000 && measured.bytes_out > (1 << 20) + 70_000);
    assert!(measured.memory > 0 && measured.memory <= measured.memory_peak && measured.memory_peak < 256 << 20);
    assert!(measured.cpu_ns > 0 && measured.threads == 2 && (4..32).contains(&measured.files), "{measured:?}");
}

fn a_warm_start_is_quick_and_the_pool_fills_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(Settings { spares: 2, ..settings(folder.path()) }, ledger()).unwrap();
    assert!(provider.wait_spares(2, PATIENCE));
    for agent in 1..=4 {
        provider.spawn(spec(agent, "echo")).unwrap();
        let status = provider.wait_ready(AgentId(agent), PATIENCE).unwrap();
        assert!(status.warm);
        println!("  warm start {:.2} ms", status.took_ns.unwrap() as f64 / 1e6);
        assert!(provider.wait_spares(2, PATIENCE));
    }
    let distinct: BTreeMap<_, _> =
        provider.agents().into_iter().map(|(agent, s)| (s.process.unwrap(), agent)).collect();
    assert_eq!(distinct.len(), 4);
}

fn a_killed_agent_is_replaced_and_its_folder_passed_on() {
    for spares in [1, 0] {
        let folder = tempfile::tempdir().unwrap();
        let mut provider = Processes::open(Settings { spares, ..settings(folder.path()) }, ledger()).unwrap();
        provider.spawn(Spec { replace: true, ..spec(5, "keep") }).unwrap();
        let status = provider.wait_ready(AgentId(5), PATIENCE).unwrap();
        assert_eq!(said(&mut provider), "nothing 5");
        assert!(provider.wait_spares(spares, PATIENCE));
        let killed = Instant::now();
        kill(status.process.unwrap());
        let (exit, asked) = event(&mut provider, |event| match event {
            Event::Ended { agent: AgentId(5), exit, asked, .. } => Some((*exit, *asked)),
            _ => None,
        });
        let detected = killed.elapsed();
        assert_eq!((exit, asked), (Exit::Signal(9), false));
        // The same words, from another number: what was written is there.
        let first = 1 << 24;
        assert_eq!(said(&mut provider), format!("5 {first}"));
        let (new, took) = event(&mut provider, |event| match event {
            Event::Replaced { old: AgentId(5), new, took_ns, stood_by: false } => Some((*new, *took_ns)),
            _ => None,
        });
        let (detected, took) = (detected.as_secs_f64() * 1e3, took as f64 / 1e6);
        println!("  {spares} spares: noticed after {detected:.2} ms, replaced {took:.2} ms later");
        assert_eq!(new, AgentId(first));
        assert!(detected < 2_000.0 && took < 5_000.0);
        let status = provider.status(new).unwrap();
        assert_eq!((status.phase, status.replaces, status.warm), (Phase::Ready, Some(AgentId(5)), spares == 1));
        assert_eq!(provider.status(AgentId(5)).unwrap().phase, Phase::Gone(Exit::Signal(9)));
    }
}

fn who_stands_by_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(settings(folder.path()), ledger()).unwrap();
    provider.spawn(Spec { replace: true, standby: true, ..spec(5, "keep") }).unwrap();
    let status = provider.wait_ready(AgentId(5), PATIENCE).unwrap();
    assert_eq!(said(&mut provider), "nothing 5");
    within(PATIENCE, || provider.status(AgentId(5)).unwrap().has_standby);
    kill(status.process.unwrap());
    let first = 1 << 24;
    assert_eq!(said(&mut provider), format!("5 {first}"));
    let took = event(&mut provider, |event| match event {
        Event::Replaced { old: AgentId(5), took_ns, stood_by: true, .. } => Some(*took_ns),
        _ => None,
    });
    println!("  took over {:.2} ms after the end was noticed", took as f64 / 1e6);
    // And has somebody stand by in turn.
    within(PATIENCE, || provider.status(AgentId(first)).unwrap().has_standby);
    // Who stands by may die, too, and is replaced in silence.
    provider.stop(AgentId(first), How::Soft).unwrap();
    event(&mut provider, |event| matches!(event, Event::Ended { asked: true, exit: Exit::Code(0), .. }).then_some(()));
}

fn a_restart_is_soft_or_hard_and_grace_ends() {
    let folder = tempfile::tempdir().unwrap();
    let grace = Duration::from_millis(300);
    let mut provider = Processes::open(Settings { grace, ..settings(folder.path()) }, ledger()).unwrap();
    let cases = [
        (1, "keep", How::Soft, Exit::Code(0)),
        (2, "keep", How::Hard, Exit::Signal(9)),
        (3, "stubborn", How::Soft, Exit::Signal(9)),
    ];
    for (at, (agent, role, how, expected)) in cases.into_iter().enumerate() {
        provider.spawn(spec(agent, role)).unwrap();
        provider.wait_ready(AgentId(agent), PATIENCE).unwrap();
        provider.restart(AgentId(agent), how).unwrap();
        let exit = event(&mut provider, |event| match event {
            Event::Ended { agent: ended, exit, asked: true, .. } if ended.0 == agent => Some(*exit),
            _ => None,
        });
        assert_eq!(exit, expected, "{role} {how:?}");
        let new = event(&mut provider, |event| match event {
            Event::Replaced { old, new, .. } if old.0 == agent => Some(*new),
            _ => None,
        });
        assert_eq!(new, AgentId((1 << 24) + u32::try_from(at).unwrap()));
        let status = provider.wait_ready(new, PATIENCE).unwrap();
        assert_eq!(status.replaces, Some(AgentId(agent)));
    }
}

fn who_dies_again_and_again_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(Settings { deaths_max: 2, ..settings(folder.path()) }, ledger()).unwrap();
    provider.spawn(Spec { replace: true, ..spec(1, "crash") }).unwrap();
    let mut ended = Vec::new();
    let given_up = event(&mut provider, |event| match event {
        Event::Ended { agent, exit, .. } => {
            ended.push((*agent, *exit));
            None
        }
        Event::GivenUp { agent, why: None } => Some(*agent),
        _ => None,
    });
    let agents = [1, 1 << 24, (1 << 24) + 1].map(AgentId);
    assert_eq!(ended, agents.map(|agent| (agent, Exit::Code(3))));
    assert_eq!(given_up, agents[2]);
}

fn who_cannot_be_started_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("agent");
    let appear = || symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let vanish = || fs::remove_file(&program).unwrap();
    appear();
    let settings = Settings { program: program.clone(), ..settings(folder.path()) };
    let mut provider = Processes::open(settings, ledger()).unwrap();
    let replaced = Spec { replace: true, ..spec(1, "echo") };
    provider.spawn(replaced.clone()).unwrap();
    let status = provider.wait_ready(AgentId(1), PATIENCE).unwrap();

    vanish();
    kill(status.process.unwrap());
    let fails = |event: &Event| match event {
        Event::SpareLost { why } if why.contains("has no process yet") => Some(why.clone()),
        _ => None,
    };
    let why = event(&mut provider, fails);
    assert!(why.contains("cannot start a process: No such file or directory"), "{why}");
    assert_eq!(fs::read_dir(provider.folder()).unwrap().count(), 2, "the lock, and what the dead one left");
    appear();
    let first = AgentId(1 << 24);
    let new = event(&mut provider, |event| match event {
        Event::Replaced { old: AgentId(1), new, .. } => Some(*new),
        _ => None,
    });
    assert_eq!(new, first);

    // Whom nobody wants any more is not tried again.
    vanish();
    provider.spawn(Spec { agent: AgentId(2), ..replaced }).unwrap();
    event(&mut provider, fails);
    provider.stop(AgentId(2), How::Soft).unwrap();
    event(&mut provider, |event| matches!(event, Event::Ended { agent: AgentId(2), asked: true, .. }).then_some(()));

    kill(provider.status(first).unwrap().process.unwrap());
    let (agent, why) = event(&mut provider, |event| match event {
        Event::GivenUp { agent, why } => Some((*agent, why.clone())),
        _ => None,
    });
    assert_eq!(agent, AgentId(first.0 + 1));
    assert!(why.is_some_and(|why| why.contains("No such file or directory")));
    assert_eq!(provider.status(agent).unwrap().phase, Phase::Gone(Exit::Code(-1)));
}

fn who_cannot_stand_by_is_not_tried_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(Settings { deaths_max: 2, ..settings(folder.path()) }, ledger()).unwrap();
    provider.spawn(Spec { replace: true, standby: true, ..spec(1, "understudy") }).unwrap();
    let why = event(&mut provider, |event| match event {
        Event::SpareLost { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("agent 1") && why.contains("3 deaths"), "{why}");
    let status = provider.status(AgentId(1)).unwrap();
    assert_eq!((status.phase, status.has_standby), (Phase::Ready, false));
}

fn who_is_done_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(settings(folder.path()), ledger()).unwrap();
    provider.spawn(Spec { replace: true, ..spec(1, "done") }).unwrap();
    event(&mut provider, |event| {
        matches!(event, Event::Ended { agent: AgentId(1), exit: Exit::Code(0), asked: false, .. }).then_some(())
    });
    assert_eq!(provider.agents().len(), 1);
    assert!(matches!(provider.stop(AgentId(1), How::Hard), Err(ProviderError::Unknown(AgentId(1)))));
}

fn memory_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = settings(folder.path());
    all.limits.resources = Resources { vcpu_milli: 500, memory_mib: 64 };
    let mut provider = Processes::open(all, ledger()).unwrap();
    provider.spawn(spec(1, "hungry")).unwrap();
    let exit = event(&mut provider, |event| match event {
        Event::Ended { exit, asked: false, .. } => Some(*exit),
        _ => None,
    });
    assert_eq!(exit, Exit::Signal(6), "an allocation that fails aborts");
}

fn a_spent_budget_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    // A dollar a second for each GiB.
    let prices = PriceTable { gib_second: 1_000_000_000, ..PriceTable::local() };
    let budget = Budget { per_swarm: Some(MicroDollars(2_000_000)), per_day: None };
    let mut provider = Processes::open(settings(folder.path()), Ledger::new(prices, budget)).unwrap();
    [1, 2].into_iter().for_each(|agent| provider.spawn(spec(agent, "echo")).unwrap());
    [1, 2].into_iter().for_each(|agent| _ = provider.wait_ready(AgentId(agent), PATIENCE).unwrap());
    event(&mut provider, |event| matches!(event, Event::Spent(_)).then_some(()));
    within(PATIENCE, || provider.agents().iter().all(|(_, status)| status.phase == Phase::Gone(Exit::Code(0))));
    assert!(matches!(provider.spawn(spec(3, "echo")), Err(ProviderError::Spent(_))));
    let later = |now: UnixNanos| now.saturating_add(1_000_000_000);
    let (spent, still) = provider.with_ledger(|ledger, now| (ledger.spent(now), ledger.spent(later(now))));
    assert!(spent >= MicroDollars(2_000_000) && spent == still, "nobody runs, so nothing is added");
}

fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = Processes::open(Settings { agents_max: 2, ..settings(folder.path()) }, ledger()).unwrap();
    provider.spawn(spec(1, "echo")).unwrap();
    assert!(matches!(provider.spawn(spec(1, "echo")), Err(ProviderError::Reused(AgentId(1)))));
    assert!(matches!(provider.spawn(spec(1 << 24, "echo")), Err(ProviderError::Reused(_))));
    let long = Spec { role: vec![0; (1 << 20) + 1], ..spec(2, "") };
    assert!(matches!(provider.spawn(long), Err(ProviderError::TooLong(_))));
    provider.spawn(spec(2, "echo")).unwrap();
    assert!(matches!(provider.spawn(spec(3, "echo")), Err(ProviderError::Full(2))));
    assert!(matches!(provider.say(AgentId(9), b"hello"), Err(ProviderError::Unknown(_))));
    provider.wait_ready(AgentId(2), PATIENCE).unwrap();
}

fn nothing_is_left_after_a_drop() {
    let folder = tempfile::tempdir().unwrap();
    // Somebody before died half-way through removing his.
    fs::create_dir_all(folder.path().join("run-1-0/7")).unwrap();
    let mut provider = Processes::open(Settings { spares: 2, ..settings(folder.path()) }, ledger()).unwrap();
    assert!(provider.wait_spares(2, PATIENCE));
    for agent in 1..=3 {
        provider.spawn(Spec { replace: true, standby: agent == 1, ..spec(agent, "keep") }).unwrap();
    }
    for agent in 1..=3 {
        provider.wait_ready(AgentId(agent), PATIENCE).unwrap();
    }
    let mine = children_of(std::process::id());
    assert!(mine.len() >= 4, "{mine:?}");
    drop(provider);
    assert_eq!(children_of(std::process::id()), [0_u32; 0], "no child, and no zombie");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// All children of a process, zombies included.
fn children_of(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |child: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    numbers.filter(|&child| parent(child) == Some(pid)).collect()
}

/// Keeps agents until it is killed.
pub(crate) fn keep(folder: &str) {
    let mut provider = Processes::open(Settings { spares: 2, ..settings(Path::new(folder)) }, ledger()).unwrap();
    for agent in 1..=3 {
        provider.spawn(Spec { standby: agent == 1, replace: true, ..spec(agent, "keep") }).unwrap();
    }
    for agent in 1..=3 {
        provider.wait_ready(AgentId(agent), PATIENCE).unwrap();
    }
    within(PATIENCE, || provider.status(AgentId(1)).unwrap().has_standby && provider.spares() == 2);
    println!("ready");
    std::thread::sleep(10 * PATIENCE);
}

fn nothing_is_left_after_the_provider_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    // So that its children become this process' when it dies, and their ends are seen.
    set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let program = std::env::current_exe().unwrap();
    let mut keeper = Command::new(program).arg("keeper").arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let ready = BufReader::new(keeper.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(ready, "ready");
    let children = children_of(keeper.id());
    // Three agents, one that stands by, two spares, one that cleans up.
    assert_eq!(children.len(), 7, "{children:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    keeper.kill().unwrap();
    let killed = Instant::now();
    keeper.wait().unwrap();
    let gone = within(Duration::from_secs(2), || children.iter().all(|&pid| !is_alive(pid)));
    println!("  all {} gone after {:.1} ms", children.len(), killed.elapsed().as_secs_f64() * 1e3);
    assert!(gone < Duration::from_secs(1));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no file left");
    for pid in children {
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        waitpid(Some(pid), WaitOptions::empty()).unwrap();
    }
    set_child_subreaper(None).unwrap();
}
