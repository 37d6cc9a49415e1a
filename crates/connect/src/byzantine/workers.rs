//! Threads that carry a batch's independent items out at once.

use std::num::NonZeroUsize;

use starling_swarm::byzantine::{Effect, Workers};

/// Items below which a thread costs more than it helps.
const ITEMS_PER_THREAD: usize = 64;

/// As many threads as named, made for each wave that is worth it.
#[derive(Debug, Clone, Copy)]
pub struct Threads(pub NonZeroUsize);

impl Workers for Threads {
    fn map(&self, count: usize, job: &(dyn Fn(usize) -> Effect + Sync)) -> Vec<Effect> {
        let threads = self.0.get().min(count / ITEMS_PER_THREAD);
        if threads < 2 {
            return (0..count).map(job).collect();
        }
        let share = count.div_ceil(threads);
        std::thread::scope(|scope| {
            let part = |begin: usize| (begin..(begin + share).min(count)).map(job).collect::<Vec<_>>();
            let others: Vec<_> = (1..threads).map(|n| scope.spawn(move || part(n * share))).collect();
            let mut effects = part(0);
            for other in others {
                match other.join() {
                    Ok(part) => effects.extend(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            effects
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use starling_swarm::byzantine::{Invalid, Key};

    #[test]
    fn answers_come_in_order_however_many_threads() {
        let job = |place: usize| -> Effect {
            if place % 7 == 3 {
                return Err(Invalid::Refused(place.to_string()));
            }
            Ok(BTreeMap::from([(Key::State(place as u64), vec![place as u8])]))
        };
        for count in [0, 1, 127, 128, 129, 1_000] {
            let expected: Vec<Effect> = (0..count).map(job).collect();
            for threads in 1..6 {
                assert_eq!(Threads(NonZeroUsize::new(threads).unwrap()).map(count, &job), expected);
            }
        }
    }
}
