//! Ids: small integers that index tables frozen per run. Names live at the edge.
//!
//! Tables are frozen in canonical (sorted) order, so the order in which things were registered changes no id, no
//! journal record and no hash.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($repr:ty)) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $repr);

        impl $name {
            /// The place in its table.
            #[must_use]
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
        impl From<usize> for $name {
            /// Panics if the table outgrew the id's width.
            fn from(index: usize) -> Self {
                Self(<$repr>::try_from(index).expect(concat!(stringify!($name), " within its width")))
            }
        }
    };
}

id!(/// An instrument at one venue.
    InstrumentId(u32));
id!(/// A venue, simulated or real.
    VenueId(u16));
id!(/// An account at a venue.
    AccountId(u16));
id!(/// A currency.
    CurrencyId(u16));
id!(/// A strategy or agent that may send intents.
    StrategyId(u16));
id!(/// A position: one per (account, instrument) when netting, one per opening when hedging. Zero is "none yet".
    PositionId(u32));

impl PositionId {
    /// No position named: the account's mode decides.
    pub const NONE: Self = Self(0);
}

/// Client order id: strategy (16 bits) and that strategy's counter (48 bits), a pure function of journaled facts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ClientOrderId(u64);

impl ClientOrderId {
    /// Orders one strategy may send in a run.
    pub const COUNTER_MAX: u64 = (1 << 48) - 1;

    /// The `counter`-th order of `strategy`, counted from 1.
    #[must_use]
    pub const fn new(strategy: StrategyId, counter: u64) -> Self {
        assert!(counter <= Self::COUNTER_MAX, "order counter within 48 bits");
        Self(((strategy.0 as u64) << 48) | counter)
    }
    /// Who sent it.
    #[must_use]
    pub const fn strategy(self) -> StrategyId {
        StrategyId((self.0 >> 48) as u16)
    }
    /// The strategy's counter.
    #[must_use]
    pub const fn counter(self) -> u64 {
        self.0 & Self::COUNTER_MAX
    }
    /// The packed form.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// From the packed form.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S{}-{}", self.strategy().0, self.counter())
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
