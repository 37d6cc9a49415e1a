//! Zenoh, as this house uses it.
//!
//! Invariant: every setting that matters is set here, and none is left to a file or an environment variable.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use starling_core::time::{MICROSECOND, MILLISECOND};
use starling_swarm::component::Priority;
use zenoh::Wait;
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::CongestionControl;
use zenoh::sample::Sample;

use super::inbox::{Inbox, Item};
use super::{Config, MeshError, ProcessId};

/// Zenoh's priorities for the four of a swarm, the most urgent first.
const PRIORITIES: [zenoh::qos::Priority; 4] = [
    zenoh::qos::Priority::RealTime,
    zenoh::qos::Priority::InteractiveHigh,
    zenoh::qos::Priority::Data,
    zenoh::qos::Priority::Background,
];

/// Milliseconds until a lost link is tried again, at first and at most.
const RETRY_MS: [u64; 2] = [20, 500];

#[derive(Debug)]
pub(super) struct Session {
    session: zenoh::Session,
    hello: Publisher<'static>,
    _subscribers: [Subscriber<()>; 2],
    links: BTreeSet<String>,
    links_opened: u64,
}

impl Session {
    pub(super) fn open(config: &Config, inbox: &Arc<Inbox>) -> Result<Self, MeshError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if config.swarm.is_empty() || !config.swarm.chars().all(is_part) {
            return Err(MeshError::Name(config.swarm.clone()));
        }
        let failed = |what| move |why: zenoh::Error| MeshError::Zenoh { what, why: why.to_string() };
        let session = zenoh::open(settings(config)?).wait().map_err(failed("open a session"))?;

        let for_me = format!("starling/{}/to/{}/*", config.swarm, config.process.0);
        let theirs = Arc::clone(inbox);
        let frames = move |sample: Sample| {
            let from = sample.key_expr().as_str().rsplit('/').next().and_then(|number| number.parse().ok());
            let Some(from) = from.map(ProcessId) else { return };
            let bytes = sample.payload().to_bytes().into_owned();
            theirs.push(priority_of(sample.priority()), Item::Datagram { from, bytes });
        };
        let frames = session.declare_subscriber(for_me).callback(frames).wait();
        let frames = frames.map_err(failed("subscribe to frames"))?;

        let greeting = format!("starling/{}/hello", config.swarm);
        let theirs = Arc::clone(inbox);
        let hellos = move |sample: Sample| {
            theirs.push(Priority::Critical, Item::Hello(sample.payload().to_bytes().into_owned()));
        };
        let hellos = session
            .declare_subscriber(greeting.clone())
            .allowed_origin(zenoh::sample::Locality::Remote)
            .callback(hellos)
            .wait();
        let hellos = hellos.map_err(failed("subscribe to announcements"))?;
        let hello = session
            .declare_publisher(greeting)
            .congestion_control(CongestionControl::Drop)
            .priority(PRIORITIES[0])
            .express(true)
            .wait()
            .map_err(failed("declare announcements"))?;
        Ok(Self { session, hello, _subscribers: [frames, hellos], links: BTreeSet::new(), links_opened: 0 })
    }

    pub(super) fn publisher(
        &self,
        swarm: &str,
        from: ProcessId,
        to: ProcessId,
        priority: Priority,
    ) -> Result<Publisher<'static>, MeshError> {
        // What is bulk makes nobody wait; it is repeated if it was promised.
        let congestion = if priority == Priority::Bulk { CongestionControl::Drop } else { CongestionControl::Block };
        let publisher = self
            .session
            .declare_publisher(format!("starling/{swarm}/to/{}/{}", to.0, from.0))
            .congestion_control(congestion)
            .priority(PRIORITIES[priority as usize])
            // Frames are gathered in batches of our own, by deadline.
            .express(true)
            .wait();
        publisher.map_err(|why| MeshError::Zenoh { what: "declare a publisher", why: why.to_string() })
    }

    pub(super) fn announce(&self, hello: Vec<u8>) -> bool {
        self.hello.put(hello).wait().is_ok()
    }

    /// Looks which links are open, and counts those that were not before.
    pub(super) fn count_links(&mut self) {
        let links: BTreeSet<String> = self.session.info().peers_zid().wait().map(|peer| peer.to_string()).collect();
        self.links_opened += links.difference(&self.links).count() as u64;
        self.links = links;
    }

    pub(super) const fn links_opened(&self) -> u64 {
        self.links_opened
    }
}

fn priority_of(priority: zenoh::qos::Priority) -> Priority {
    let at = PRIORITIES.iter().position(|ours| *ours == priority);
    at.map_or(Priority::Normal, |at| Priority::ALL[at])
}

fn settings(config: &Config) -> Result<zenoh::Config, MeshError> {
    let mut settings = zenoh::Config::default();
    let mut set = |setting: &'static str, value: serde_json::Value| {
        let failed = |why: &dyn std::fmt::Display| {
            let secret = setting.ends_with("password");
            let value = if secret { "what the file says".into() } else { value.to_string() };
            MeshError::Setting { setting, value, why: why.to_string() }
        };
        settings.insert_json5(setting, &value.to_string()).map_err(|why| failed(&why))
    };
    set("mode", "peer".into())?;
    set("listen/endpoints", config.listen.clone().into())?;
    set("connect/endpoints", config.connect.clone().into())?;
    set("connect/timeout_ms", (-1).into())?;
    set("connect/exit_on_failure", false.into())?;
    let [first, most] = RETRY_MS;
    let retry = serde_json::json!({"period_init_ms": first, "period_max_ms": most, "period_increase_factor": 2});
    set("connect/retry", retry)?;
    set("scouting/multicast/enabled", false.into())?;
    set("scouting/gossip/enabled", false.into())?;
    // Else opening waits half a second for those who might be found.
    set("open/return_conditions/connect_scouted", false.into())?;
    set("open/return_conditions/declares", false.into())?;
    set("transport/link/tx/lease", (config.idle / MILLISECOND).into())?;
    set("transport/link/tx/keep_alive", 3.into())?;
    set("transport/link/tx/queue/congestion_control/block/wait_before_close", (config.block / MICROSECOND).into())?;
    set("transport/shared_memory/enabled", false.into())?;
    if let Some(tls) = &config.tls {
        let path = |path: &Path| serde_json::Value::from(path.to_string_lossy().into_owned());
        set("transport/link/tls/root_ca_certificate", path(&tls.authority))?;
        set("transport/link/tls/listen_certificate", path(&tls.certificate))?;
        set("transport/link/tls/listen_private_key", path(&tls.key))?;
        set("transport/link/tls/connect_certificate", path(&tls.certificate))?;
        set("transport/link/tls/connect_private_key", path(&tls.key))?;
        set("transport/link/tls/enable_mtls", true.into())?;
        set("transport/link/tls/verify_name_on_connect", true.into())?;
    }
    if let Some(credentials) = &config.credentials {
        let path = &credentials.password;
        let password = fs::read_to_string(path);
        let password = password.map_err(|source| MeshError::Password { path: path.clone(), source })?;
        set("transport/auth/usrpwd/user", credentials.user.clone().into())?;
        set("transport/auth/usrpwd/password", password.lines().next().unwrap_or_default().into())?;
        set("transport/auth/usrpwd/dictionary_file", credentials.accepted.to_string_lossy().into_owned().into())?;
    }
    Ok(settings)
}
