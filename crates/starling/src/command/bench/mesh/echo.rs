//! Somebody who answers: what it is sent comes back, and what it counts it tells when asked; and the process that does so.
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

/// Who answers.
#[derive(Debug, Default)]
pub(super) struct Echo {
    messages: u64,
    bytes: u64,
}

impl Echo {
    /// What it says to these words, if anything.
    pub(super) fn answer(&mut self, words: Vec<u8>) -> Option<Vec<u8>> {
        match words.split_first() {
            Some((&COUNT, rest)) => {
                for message in Batch::split(rest).map_while(Result::ok) {
                    self.messages += 1;
                    self.bytes += message.len() as u64;
                }
                None
            }
            Some((&TELL, _)) => {
                let Self { messages, bytes } = std::mem::take(self);
                Some([[TELL].as_slice(), &messages.to_le_bytes(), &bytes.to_le_bytes()].concat())
            }
            _ => Some(words),
        }
    }
}

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
    let mut echo = Echo::default();
    loop {
        match inside.next(TURN) {
            Some(Told::Words(words)) => {
                if let Some(answer) = echo.answer(words) {
                    inside.say(answer);
                }
            }
            Some(Told::Stop) => return ExitCode::SUCCESS,
            _ => {}
        }
    }
}
