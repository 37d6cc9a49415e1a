//! Agents as processes: this program starts itself as agent, as provider that is killed, and as test.
//!
//! It has no test harness, since a process must be sealed before it has a second thread, and a harness runs a test in one.

#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "processes are confined on Linux only"))]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says so")]

#[cfg(target_os = "linux")]
mod agent;
#[cfg(all(target_os = "linux", feature = "mesh"))]
mod mesh;
#[cfg(all(target_os = "linux", feature = "mesh"))]
mod partition;
#[cfg(target_os = "linux")]
mod provider;

/// A test and its name.
type Test = (&'static str, fn());

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("agent") => return agent::run(),
        Some("rude agent") => return agent::rude(&arguments[1]),
        Some("keeper") => return provider::keep(&arguments[1]),
        Some("unfiltered") => return provider::open_unfiltered(&arguments[1], arguments[2].parse().unwrap()),
        #[cfg(feature = "mesh")]
        Some("member") => return partition::member(&arguments[1]),
        _ => {}
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut tests: Vec<Test> = provider::TESTS.to_vec();
    #[cfg(feature = "mesh")]
    tests.extend(mesh::TESTS.into_iter().chain(partition::TESTS));
    if arguments.iter().any(|argument| argument == "--list") {
        return tests.iter().for_each(|(name, _)| println!("{name}: test"));
    }
    tests.retain(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())));
    let mut failed = Vec::new();
    for (name, test) in &tests {
        let begun = std::time::Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {} ({:.2?})", if passed { "ok" } else { "FAILED" }, begun.elapsed());
        if !passed {
            failed.push(*name);
        }
    }
    println!("{} passed, {} failed {failed:?}", tests.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        std::process::exit(1);
    }
}
