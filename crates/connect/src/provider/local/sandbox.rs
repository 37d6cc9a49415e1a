//! How a process confines itself, before it knows its role and before it has a second thread.
//!
//! ```text
//!  session, death signal, limits ─► Landlock: own folder, libraries to read, ports ─► seccomp: system calls
//! ```
//!
//! The process does this itself, after it was started, and not its parent between fork and exec: there, only a handful
//! of calls are safe and none of these libraries is, the whole program would have to stay executable, and `execve` could
//! not be forbidden. What runs before the seal is our own code, and it has been told nothing yet.
//!
//! The system call filter is a list of what is forbidden, not of what is allowed: an allow list that fits an async
//! runtime breaks with each release of the C library. Forbidden is what starts programs or processes, looks into others,
//! mounts, loads, changes clocks, limits or identity, and the large back doors (`io_uring`, `bpf`, `userfaultfd`,
//! `perf_event_open`, `ptrace`, handles in place of paths); and what Landlock lets pass: modes, owners, dates and
//! attributes of files, sockets with names in the file system, ports of what is not TCP or not asked for by `connect`.
//! It answers `EPERM`, so that a library can fall back; for `clone3`, whose flags a filter cannot see, `ENOSYS`, so that
//! the C library takes `clone`.
//!
//! Invariant: [`Layers`] are read back from the system after the seal, or shown by an attempt that must fail. A layer
//! that the system lacks is left out and not claimed. Not here: shares of CPUs, which need a control group; and a root
//! user keeps its capabilities, so that what is not named above stays possible for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde::{Deserialize, Serialize};

use crate::provider::{Layers, Limits};

/// To whom a process may talk, by the filter of system calls and by Landlock; to nobody by a socket that is a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// To its provider only.
    Closed,
    /// By TCP, on these ports and to these ports of any host. Without Landlock of ABI 4 on any port.
    Ports {
        /// Ports it may listen on; 0 for any the system chooses.
        listen: Vec<u16>,
        /// Ports it may connect to.
        connect: Vec<u16>,
    },
    /// To everybody by TCP and UDP.
    Open,
}

/// What a process is confined to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    /// Its number among the provider's processes.
    pub number: u64,
    /// Its own folder, the only place where it may write.
    pub folder: PathBuf,
    /// A file that stays locked as long as it lives.
    pub lock: PathBuf,
    /// What it may read besides.
    pub read: Vec<PathBuf>,
    pub limits: Limits,
    pub network: Network,
    /// False for the one that cleans up, which must outlive its parent.
    pub dies_with_parent: bool,
}

/// Confines this process; what holds now.
pub(super) fn seal(seal: &Seal) -> Layers {
    // Open before the walls are up: behind them there is no /proc.
    let mut status = File::open("/proc/self/status").ok();
    let _ = rustix::process::setsid();
    if seal.dies_with_parent {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    }
    let limits = limits(&seal.limits).into_iter().fold(true, |all, (resource, most)| {
        let wanted = Rlimit { current: most, maximum: most };
        let _ = rustix::process::setrlimit(resource, wanted);
        all & (rustix::process::getrlimit(resource) == wanted)
    });
    let landlock = confine(seal).ok().flatten().filter(|_| is_confined());
    let _ = rustix::thread::set_no_new_privs(true);
    // Its mode alone would be the same under a filter of whoever started the provider.
    let is_filtered = filter_calls(&seal.network).is_ok() && is_filtered();

    let mut text = String::new();
    if let Some(status) = &mut status {
        let _ = status.rewind().and_then(|()| status.read_to_string(&mut text));
    }
    let field = |name: &str| -> u8 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    let me = rustix::process::getpid();
    Layers {
        session: rustix::process::getsid(None) == Ok(me),
        dies_with_parent: rustix::process::parent_process_death_signal() == Ok(Some(Signal::KILL)),
        no_new_privs: field("NoNewPrivs") == 1,
        seccomp: if is_filtered { field("Seccomp") } else { 0 },
        landlock,
        ports: landlock.is_some_and(|abi| abi >= 4) && seal.network != Network::Open,
        limits,
    }
}

fn limits(limits: &Limits) -> [(Resource, Option<u64>); 6] {
    let mib = |mib: u32| Some(u64::from(mib) << 20);
    [
        (Resource::Core, Some(0)),
        (Resource::Data, mib(limits.resources.memory_mib)),
        (Resource::Nofile, Some(u64::from(limits.files))),
        (Resource::Nproc, Some(u64::from(limits.threads))),
        (Resource::Fsize, mib(limits.file_mib)),
        (Resource::Cpu, limits.cpu_seconds),
    ]
}

/// Landlock; the ABI that was used, none if the system does not enforce it.
fn confine(seal: &Seal) -> Result<Option<u8>, RulesetError> {
    let abi = ABI::V6;
    let mut rules =
        Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(abi))?;
    if seal.network != Network::Open {
        rules = rules.handle_access(AccessNet::from_all(abi))?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = rules
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules([&seal.folder], AccessFs::from_all(abi) & !AccessFs::Execute))?
        .add_rules(path_beneath_rules(&seal.read, read))?
        .add_rules(path_beneath_rules([Path::new("/dev/null")], read | AccessFs::WriteFile))?;
    if let Network::Ports { listen, connect } = &seal.network {
        for &port in listen {
            rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
        }
        for &port in connect {
            rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => Some(effective_abi as u8),
        _ => None,
    })
}

/// An attempt that must fail.
fn is_confined() -> bool {
    std::fs::read_dir("/").is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// An attempt that must fail; it would change nothing, since the limit is what it was set to before.
fn is_filtered() -> bool {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none) == Err(Errno::PERM)
}

#[derive(Debug, thiserror::Error)]
#[error("no filter of system calls: {0}")]
struct NoFilter(String);

fn filter_calls(network: &Network) -> Result<(), NoFilter> {
    let failed = |error: &dyn std::fmt::Display| NoFilter(error.to_string());
    let arch = std::env::consts::ARCH.try_into().map_err(|error: seccompiler::BackendError| failed(&error))?;
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let forbidden = forbidden(network).map_err(|error| failed(&error))?;
    for (calls, errno) in [(absent, libc::ENOSYS), (forbidden, libc::EPERM)] {
        let answer = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(other_abi(calls), SeccompAction::Allow, answer, arch);
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| failed(&error))?;
        seccompiler::apply_filter(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// The same calls by their numbers in the 32-bit pointer ABI of x86-64, which has the same architecture mark.
fn other_abi(calls: Calls) -> Calls {
    const X32: i64 = 0x4000_0000;
    let other = calls.iter().map(|(&call, rules)| (call | X32, rules.clone())).collect::<Vec<_>>();
    let is_x86 = cfg!(target_arch = "x86_64");
    calls.into_iter().chain(other.into_iter().filter(|_| is_x86)).collect()
}

fn forbidden(network: &Network) -> Result<Calls, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let argument =
        |at, op, value: i32| SeccompCondition::new(at, SeccompCmpArgLen::Dword, op, u64::from(value.unsigned_abs()));
    let masked = |at, mask: i32, value| argument(at, MaskedEq(u64::from(mask.unsigned_abs())), value);

    let mut calls: Calls = FORBIDDEN.iter().map(|&call| (call, Vec::new())).collect();
    // A thread shares its process; anything else would be a process of its own.
    calls.insert(libc::SYS_clone, vec![SeccompRule::new(vec![masked(0, libc::CLONE_THREAD, 0)?])?]);
    // Reading a limit is allowed, setting one is not.
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, Ne, 0)?;
    calls.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![sets])?]);
    calls.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![argument(0, Eq, libc::PR_SET_PDEATHSIG)?])?]);
    // Pushing keystrokes into a terminal.
    let pushes = argument(1, Eq, i32::try_from(libc::TIOCSTI).unwrap_or(0x5412))?;
    calls.insert(libc::SYS_ioctl, vec![SeccompRule::new(vec![pushes])?]);

    // Landlock below ABI 9 does not mediate names of sockets in the file system. Pairs have none; but one of datagrams
    // sends to whatever name it is told.
    let mut pairs = vec![SeccompRule::new(vec![argument(0, Ne, libc::AF_UNIX)?])?];
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
        pairs.push(SeccompRule::new(vec![masked(1, 0xf, kind)?])?);
    }
    calls.insert(libc::SYS_socketpair, pairs);

    // A call without rules is forbidden whatever its arguments.
    let mut sockets = Vec::new();
    if *network != Network::Closed {
        let families = vec![argument(0, Ne, libc::AF_INET)?, argument(0, Ne, libc::AF_INET6)?];
        sockets.push(SeccompRule::new(families)?);
    }
    if matches!(network, Network::Ports { .. }) {
        // Landlock knows the ports of TCP only. Every kind of socket but a stream has one of these bits; and a stream
        // may be one of another protocol, as multipath TCP.
        for bit in [2, 4, 8] {
            sockets.push(SeccompRule::new(vec![masked(1, bit, bit)?])?);
        }
        sockets.push(SeccompRule::new(vec![argument(2, Ne, 0)?, argument(2, Ne, libc::IPPROTO_TCP)?])?);
        // Connects without `connect`, past Landlock.
        for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            let fast_open = masked(flags, libc::MSG_FASTOPEN, libc::MSG_FASTOPEN)?;
            calls.insert(call, vec![SeccompRule::new(vec![fast_open])?]);
        }
    }
    calls.insert(libc::SYS_socket, sockets);
    Ok(calls)
}

// Not among the numbers of the C library's bindings on every architecture; new calls have the same number on all.
const SYS_FCHMODAT2: i64 = 452;
const SYS_SETXATTRAT: i64 = 463;
const SYS_REMOVEXATTRAT: i64 = 466;
const SYS_FILE_SETATTR: i64 = 469;

const FORBIDDEN: &[i64] = &[
    // Programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    // Others' memory, files and secrets.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Mounts and name spaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel's large interfaces.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    // Files' modes, owners, attributes and dates, wherever they are.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SYS_SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_REMOVEXATTRAT,
    SYS_FILE_SETATTR,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_utimensat,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Identity and limits.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_setrlimit,
];
