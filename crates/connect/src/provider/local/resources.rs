//! What a process uses, from `/proc`.

use std::fs;
use std::io;

use crate::provider::Measured;

/// Nanoseconds of a tick in `/proc/PID/stat`: 100 a second, fixed by the system's interface on every platform we run on.
const TICK_NS: u64 = 10_000_000;

/// Memory, CPU time, threads and files of a process that has not been waited for yet.
///
/// # Errors
/// The system does not say: it has ended, or belongs to another user.
pub(super) fn of_process(pid: u32) -> io::Result<Measured> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let ticks = cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?).unwrap_or(0);
    // To the nanosecond, but without threads that have ended; ticks have them.
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    let scheduled = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Ok(Measured {
        memory: field("VmRSS") << 10,
        memory_peak: field("VmHWM") << 10,
        cpu_ns: scheduled.sum::<u64>().max(ticks * TICK_NS),
        threads: u32::try_from(field("Threads")).unwrap_or(u32::MAX),
        files: u32::try_from(fs::read_dir(format!("/proc/{pid}/fd"))?.count()).unwrap_or(u32::MAX),
        bytes_in: 0,
        bytes_out: 0,
    })
}

/// User and system time from a line of `/proc/PID/stat`: fields 14 and 15. The second, the program's name, may hold
/// blanks and brackets, so that counting starts behind its last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0 50 0 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let held = vec![1_u8; 8 << 20];
        let measured = of_process(std::process::id()).unwrap();
        assert!(measured.memory > held.len() as u64 && measured.memory_peak >= measured.memory);
        assert!(measured.cpu_ns > 0 && measured.threads >= 1 && measured.files >= 3);
    }
}
