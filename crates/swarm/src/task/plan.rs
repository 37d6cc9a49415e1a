//! Dependency graphs of tasks: cycles, and the shortest time in which a batch can be done.
//!
//! Invariant: the ideal makespan is a bound from below, so an efficiency above 1 says that work or makespan is wrong. It is
//! told as it is.

use std::collections::BTreeMap;

use super::{Task, TaskKey};

/// A cycle among the tasks, its first key again at the end; none if they can be put in an order. Keys in `after` that are
/// not of these tasks do not matter. An iterative depth-first search (Tarjan 1972).
#[must_use]
pub fn cycle(tasks: &[Task]) -> Option<Vec<TaskKey>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let by_key: BTreeMap<TaskKey, usize> = tasks.iter().enumerate().map(|(at, task)| (task.key, at)).collect();
    let mut marks = vec![Mark::New; tasks.len()];
    for start in 0..tasks.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::OnPath;
        let mut path = vec![(start, 0)];
        while let Some((at, edge)) = path.last_mut() {
            let Some(before) = tasks[*at].after.get(*edge) else {
                marks[*at] = Mark::Done;
                path.pop();
                continue;
            };
            *edge += 1;
            let Some(&next) = by_key.get(before) else { continue };
            match marks[next] {
                Mark::Done => {}
                Mark::New => {
                    marks[next] = Mark::OnPath;
                    path.push((next, 0));
                }
                Mark::OnPath => {
                    let from = path.iter().position(|(at, _)| *at == next).expect("marked as on the path");
                    let mut keys: Vec<TaskKey> = path[from..].iter().map(|(at, _)| tasks[*at].key).collect();
                    keys.push(tasks[next].key);
                    return Some(keys);
                }
            }
        }
    }
    None
}

/// The least time in which `slots` equal workers can do the tasks, in the unit of [`Task::work`]: the work divided evenly,
/// or the longest chain of dependencies, whichever is more (Graham 1969). None if there is a cycle or nobody to work.
#[must_use]
pub fn ideal_makespan(tasks: &[Task], slots: u64) -> Option<u64> {
    if slots == 0 || cycle(tasks).is_some() {
        return None;
    }
    let by_key: BTreeMap<TaskKey, usize> = tasks.iter().enumerate().map(|(at, task)| (task.key, at)).collect();
    let mut ends: Vec<Option<u64>> = vec![None; tasks.len()];
    let mut longest = 0;
    for start in 0..tasks.len() {
        let mut path = vec![start];
        while let Some(&at) = path.last() {
            let befores = tasks[at].after.iter().filter_map(|before| by_key.get(before)).copied();
            if let Some(open) = befores.clone().find(|before| ends[*before].is_none()) {
                path.push(open);
                continue;
            }
            let begin = befores.filter_map(|before| ends[before]).max().unwrap_or(0);
            let end = begin.saturating_add(tasks[at].work);
            ends[at] = Some(end);
            longest = longest.max(end);
            path.pop();
        }
    }
    let total = tasks.iter().fold(0u64, |sum, task| sum.saturating_add(task.work));
    Some(longest.max(total.div_ceil(slots)))
}

/// Ideal makespan over makespan, in 1/10,000; none if either is unknown or zero.
#[must_use]
pub fn efficiency_bp(tasks: &[Task], slots: u64, makespan: u64) -> Option<u32> {
    let ideal = ideal_makespan(tasks, slots).filter(|&ideal| ideal > 0 && makespan > 0)?;
    Some(u32::try_from(u128::from(ideal) * 10_000 / u128::from(makespan)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Capabilities;
    use starling_core::UnixNanos;

    #[test]
    fn a_makespan_below_the_ideal_one_is_not_hidden() {
        let task = Task {
            key: TaskKey(1),
            needs: Capabilities::NONE,
            payload: Vec::new(),
            after: Vec::new(),
            deadline: UnixNanos::MAX,
            retries_max: 0,
            work: 9,
        };
        assert_eq!(efficiency_bp(&[task], 1, 6), Some(15_000));
    }
}
