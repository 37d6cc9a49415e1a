//! A process that answers: what it is sent comes back, and what it counts it tells when asked.
//!
//! Invariant: as every agent's process, it confines itself before anything else and ends with its provider.

use std::process::ExitCode;
use std::time::Duration;

use starling_connect::provider::local::inside::{Inside, Told};
use starling_swarm::transport::Batch;

use crate::terminal::{Failure, complain};

/// The argument by which a provider starts it. No command: nobody else can.
pub(crate) const ARGUMENT: &str = "echo-of-a-provider";
/// The first byte of a word: send the rest back.
pub(super) const BACK: u8 = 1;
/// The rest holds messages, each behind its length: count them and their bytes.
pub(super) const COUNT: u8 = 2;
/// Tell the counts, and begin anew.
pub(super) const TELL: u8 = 3;
/// Longest wait for the next word.
const TURN: Duration = Duration::from_secs(60);

/// Answers until its provider ends.
pub(crate) fn run() -> ExitCode {
    let inside = match Inside::enter() {
        Ok(inside) => inside,
        Err(error) => {
            let failure = Failure::usage(error);
            complain(&failure);
            return ExitCode::from(failure.code);
        }
    };
    inside.ready(inside.assignment().agent);
    let (mut messages, mut bytes) = (0_u64, 0_u64);
    loop {
        match inside.next(TURN) {
            Some(Told::Words(words)) => match words.split_first() {
                Some((&COUNT, rest)) => {
                    for message in Batch::split(rest).map_while(Result::ok) {
                        messages += 1;
                        bytes += message.len() as u64;
                    }
                }
                Some((&TELL, _)) => {
                    inside.say([[TELL].as_slice(), &messages.to_le_bytes(), &bytes.to_le_bytes()].concat());
                    (messages, bytes) = (0, 0);
                }
                _ => inside.say(words),
            },
            Some(Told::Stop) => return ExitCode::SUCCESS,
            _ => {}
        }
    }
}
