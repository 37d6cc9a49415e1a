//! The eighteen, as the definitions number them.
//!
//! Invariant: requirements are the documents'; nothing here was measured.

use crate::bench::Judged;

/// The categories, in the order of the report.
pub const CATEGORIES: [&str; 6] = ["creation", "scalability", "trading", "communication", "resources", "cost"];

/// A benchmark before it is carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// 1 to 18.
    pub number: u32,
    /// One of [`CATEGORIES`].
    pub category: &'static str,
    /// What it measures.
    pub name: &'static str,
    /// What is done.
    pub workload: &'static str,
    /// What figures are told in.
    pub unit: &'static str,
    /// What an item is, in the plural.
    pub item: &'static str,
    /// True if more is better.
    pub more_is_better: bool,
    /// What the requirement asks of agents in processes or sandboxes.
    required: f64,
    /// What it asks of agents that share a process, where that differs.
    required_in_process: Option<f64>,
    /// Where we want to be.
    pub aim: Option<f64>,
    /// Which statistic is held against it.
    pub judged: Judged,
}

impl Definition {
    /// What the requirement asks of a provider.
    #[must_use]
    pub fn requirement(&self, provider: &str) -> Option<f64> {
        Some(self.required_in_process.filter(|_| provider == "in-process").unwrap_or(self.required))
    }
}

const fn less(
    number: u32,
    category: &'static str,
    name: &'static str,
    workload: &'static str,
    (unit, item): (&'static str, &'static str),
    (required, aim): (f64, Option<f64>),
    judged: Judged,
) -> Definition {
    Definition {
        number,
        category,
        name,
        workload,
        unit,
        item,
        more_is_better: false,
        required,
        required_in_process: None,
        aim,
        judged,
    }
}

const fn more(definition: Definition) -> Definition {
    Definition { more_is_better: true, ..definition }
}

/// All of them, in order.
pub const DEFINITIONS: [Definition; 18] = [
    less(
        1,
        "creation",
        "swarm initialisation",
        "create mesh(3), destroy it",
        ("ms", "swarms"),
        (5_000.0, Some(300.0)),
        Judged::Mean,
    ),
    less(
        2,
        "creation",
        "agent deployment latency",
        "mesh(5), each agent from its order to ready; cold, and from a warm pool",
        ("ms", "agents"),
        (3_000.0, Some(150.0)),
        Judged::Mean,
    ),
    more(less(
        3,
        "creation",
        "parallel against sequential",
        "mesh(5) started one after the other, over started at once",
        ("ratio", "swarms"),
        (1.5, None),
        Judged::Median,
    )),
    less(
        4,
        "scalability",
        "1, 5, 10 agents",
        "create and one strategy execution: time per agent of 10 over that of 1",
        ("ratio", "swarms"),
        (2.0, Some(1.0)),
        Judged::Median,
    ),
    less(
        5,
        "scalability",
        "2 to 20 agents",
        "create 2, 4, 8, 10, 12, 16, 20: time, memory, CPU; judged at 20, and at 10 as a case",
        ("ms", "swarms"),
        (60_000.0, Some(2_000.0)),
        Judged::Mean,
    ),
    less(
        6,
        "scalability",
        "topology comparison",
        "8 agents: consensus on BUY .8 HOLD .6 BUY .9 and messages; decisions of the mesh over the hierarchical",
        ("ratio", "runs"),
        (1.5, Some(1.0)),
        Judged::Median,
    ),
    less(
        7,
        "trading",
        "strategy execution throughput",
        "5 agents execute a real strategy on real bars 50 times each",
        ("ms", "executions"),
        (100.0, Some(1.0)),
        Judged::Mean,
    ),
    more(less(
        8,
        "trading",
        "task distribution",
        "8 agents, 100 tasks over 4 symbols in batches of 10, by each strategy of distribution; one agent killed",
        ("tasks/s", "tasks"),
        (10.0, Some(1_000.0)),
        Judged::Mean,
    )),
    less(
        9,
        "trading",
        "consensus decision latency",
        "6 agents decide on BUY .85 HOLD .60 BUY .90 SELL .45 BUY .75 HOLD .55; one silent; one lying",
        ("ms", "decisions"),
        (200.0, Some(10.0)),
        Judged::Mean,
    ),
    less(
        10,
        "communication",
        "inter-agent latency",
        "4 agents, pings between every pair in both directions, half the round trip",
        ("ms", "pings"),
        (50.0, Some(0.15)),
        Judged::P95,
    ),
    less(
        11,
        "communication",
        "state synchronisation",
        "6 agents: 10,000 bytes to all, then 100 small deltas, each acknowledged by all",
        ("ms", "synchronisations"),
        (1_000.0, Some(100.0)),
        Judged::Mean,
    ),
    more(less(
        12,
        "communication",
        "message throughput",
        "ring(5): 100 messages one after the other; then a rate sustained",
        ("msg/s", "messages"),
        (50.0, Some(5_000.0)),
        Judged::Mean,
    )),
    Definition {
        required_in_process: Some(50.0),
        ..less(
            13,
            "resources",
            "memory per agent",
            "1, 5, 10 agents that hold strategy and bars",
            ("MB", "agents"),
            (200.0, Some(50.0)),
            Judged::Worst,
        )
    },
    less(
        14,
        "resources",
        "CPU per topology",
        "6 agents in each topology execute and send at a rate: CPU time of all over wall time",
        ("%", "runs"),
        (100.0, Some(25.0)),
        Judged::Mean,
    ),
    more(less(
        15,
        "resources",
        "network bandwidth",
        "5 agents execute 50 times each and tell each other: bytes an execution",
        ("bytes", "executions"),
        (1.0, None),
        Judged::Mean,
    )),
    less(
        16,
        "cost",
        "cost per operation",
        "5 agents execute 100 times each: the dearest price of their resources for their lifetime",
        ("micro-$", "executions"),
        (10_000.0, Some(100.0)),
        Judged::Mean,
    ),
    less(
        17,
        "cost",
        "cost by topology",
        "8 agents in each topology execute at a pace: the dearest price of an hour",
        ("$/h", "runs"),
        (2.0, Some(1.0)),
        Judged::Worst,
    ),
    less(
        18,
        "cost",
        "scalability cost efficiency",
        "2, 5, 10, 15 agents execute 50 times each at a pace: price of an execution with 15 over that with 2",
        ("ratio", "runs"),
        (7.5, Some(2.0)),
        Judged::Median,
    ),
];
