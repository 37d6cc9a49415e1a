//! `starling venue`: a local exchange that speaks a real venue's protocol, so far to replay recordings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use starling_connect::venue::faults::FaultSpec;
use starling_connect::venue::profile::{PROFILES, Profile};
use starling_connect::venue::server::{Pace, ServeOptions, Server};
use starling_connect::venue::tape::Tape;

use super::output::{grouped, write_whole};
use crate::terminal::{Failure, interrupted, put, say};

/// A local exchange: replay a recording as the venue would stream it.
#[derive(Debug, Args)]
pub(crate) struct Venue {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve a venue on this machine: WebSocket streams and REST on one port.
    Serve(Serve),
}

/// Serve a venue.
#[derive(Debug, Args)]
struct Serve {
    /// The venue: binance-spot, binance-usdm, binance-coinm, bitfinex, bybit-spot, bybit-linear, bybit-inverse, coinbase,
    /// hyperliquid, kraken or okx.
    #[arg(long, default_value = "binance-spot")]
    profile: String,
    /// The recording: a frame file, lines of `nanoseconds text`, or a cryptofeed file, also .gz. Several follow one another.
    #[arg(long, required = true, num_args = 1..)]
    replay: Vec<PathBuf>,
    /// Times the recorded pace, or `max`: as fast as the clients read.
    #[arg(long, default_value = "1")]
    speed: Pace,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 9100)]
    port: u16,
    /// The address to listen at.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// What goes wrong, as in drop=0.001,disconnect=0.0001 (also duplicate, reorder, stall, garbage, stall_ms, calm).
    #[arg(long, default_value = "")]
    faults: FaultSpec,
    /// Seed of the faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the faults that happened to this file at the end, one a line: client, frame, fault.
    #[arg(long)]
    fault_log: Option<PathBuf>,
    /// Start at once instead of with the first subscription.
    #[arg(long, conflicts_with = "subscriptions")]
    at_once: bool,
    /// Start once so many streams are subscribed to, by all clients together.
    #[arg(long, value_name = "N", default_value_t = 1)]
    subscriptions: usize,
    /// Begin anew at the end.
    #[arg(long, conflicts_with = "until_end")]
    repeat: bool,
    /// End with the recording, once the clients have left.
    #[arg(long)]
    until_end: bool,
}

impl Venue {
    /// Does it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.action {
            Action::Serve(serve) => serve.run(json),
        }
    }
}

impl Serve {
    fn run(self, json: bool) -> Result<(), Failure> {
        let profile = Profile::named(&self.profile).ok_or_else(|| {
            let names: Vec<&str> = PROFILES.iter().map(|p| p.name).collect();
            Failure::usage(format!("there is no profile `{}`; there is {}", self.profile, names.join(", ")))
        })?;
        let tape = Tape::open(profile, &self.replay).map_err(Failure::usage)?;
        let told = format!(
            "{} frames of {} in {} streams",
            grouped(tape.frames.len() as u64),
            tape.names.symbols.join(", "),
            tape.names.streams.len()
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::run(format!("no runtime: {e}")))?;
        runtime.block_on(self.serve(profile, Arc::new(tape), &told, json))
    }

    async fn serve(self, profile: &'static Profile, tape: Arc<Tape>, told: &str, json: bool) -> Result<(), Failure> {
        let listen = SocketAddr::new(self.host, self.port);
        let options = ServeOptions {
            listen,
            pace: self.speed,
            faults: self.faults,
            seed: self.seed,
            start_at: if self.at_once { 0 } else { self.subscriptions },
            repeat: self.repeat,
        };
        let server = Server::start(profile, tape, options).await.map_err(|e| {
            Failure::run(format!("cannot listen at {listen}: {e}; choose another --port, or 0 for a free one"))
        })?;
        let address = server.address();
        say(format_args!("{told}"));
        say(format_args!("  streams  ws://{address}{}", profile.dialect().stream_path));
        if let Some(rest) = profile.rest {
            say(format_args!("  REST     http://{address}{}", rest.base));
        }
        if json {
            put(json!({ "address": address.to_string(), "profile": profile.name }))?;
        }
        let mut progress = server.progress();
        let stop = interrupted();
        loop {
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
                changed = progress.wait_for(|p| p.finished), if !self.until_end => {
                    drop(changed);
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
            let ended = self.until_end && progress.borrow().finished && server.clients() == 0;
            if ended || stop.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
        }
        let faults = server.faults();
        let played = grouped(progress.borrow().frames);
        let (clients, cut) = (server.clients_total(), server.cut_off());
        say(format_args!(
            "played {played} frames to {clients} clients; {} faults; {cut} clients cut off",
            faults.len()
        ));
        if let Some(path) = &self.fault_log {
            let lines = faults.iter().map(|f| format!("{} {} {}\n", f.client, f.frame, f.fault.name()));
            write_whole(path, lines.collect::<String>().as_bytes())?;
        }
        Ok(())
    }
}
